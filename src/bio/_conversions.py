"""Which modules multiply by weights, which of them can be converted, and the classes they are given."""

from __future__ import annotations

import dis
import inspect
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, cast

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from ..errors import RuleError
from ._attention import RuledAttention
from ._converted import ConvertedModule, in_words, plain_name
from ._interception import RuledOwnForward, WeightInterceptor, multiplied_weight
from ._layers import RuledConvolution, RuledLayer, RuledLinear, RuledTransposedConvolution, RuledTransposedLinear

_LAYERS: dict[type[nn.Module], type[RuledLayer]] = {
    nn.Linear: RuledLinear,
    nn.Conv1d: RuledConvolution,
    nn.Conv2d: RuledConvolution,
    nn.Conv3d: RuledConvolution,
    nn.ConvTranspose1d: RuledTransposedConvolution,
    nn.ConvTranspose2d: RuledTransposedConvolution,
    nn.ConvTranspose3d: RuledTransposedConvolution,
    nn.MultiheadAttention: RuledAttention,
}

_METHODS = ("forward", "_conv_forward", "_output_padding")

_OPAQUE = (nn.RNNBase, nn.RNNCellBase, nn.Bilinear)


@dataclass(frozen=True)
class Candidate:
    """A weight that a rule can or cannot be given to.

    Args:
        name: dotted name: the module's, and for any other weight than ``weight`` the weight's.
        layer: the module.
        parameter: the weight's name in it.
        obstacle: why it cannot be converted, "" where it can.
        batch_axis: the axis of the batch in inputs of more than two axes.
    """

    name: str
    layer: nn.Module
    parameter: str
    obstacle: str = ""
    batch_axis: int = 0

    def in_words(self) -> str:
        """Return the layer's name and class for a message."""
        name = self.name if self.parameter == "weight" else self.name.rpartition(".")[0]
        return in_words(name, self.layer)


@lru_cache(maxsize=256)  # bounded: every parametrised module brings a class of its own
def ruled(plain: Any) -> type[Any]:
    """Return the class that behaves as a plain class forwards and by a rule backwards."""
    base = _base(plain)
    names = {"_plain": plain, "_empty": staticmethod(empty), "__module__": __name__}
    mixin: type[ConvertedModule] = WeightInterceptor if base is None else _layers()[base]
    if base is not None and _computes_itself(plain, base):
        mixin, names["features"] = RuledOwnForward, mixin.features
    return type(f"Ruled{plain.__name__}", (mixin, plain), names)


def empty(plain: Any) -> nn.Module:
    """Return an object without attributes of the class that :func:`ruled` makes; for pickle."""
    kind: type[nn.Module] = ruled(plain)
    return kind.__new__(kind)


def candidates(module: nn.Module) -> Iterator[Candidate]:
    """Yield every weight that a module multiplies by."""
    inside: dict[nn.Module, Candidate] = {}
    sequence_first: set[nn.Module] = set()
    for name, part in module.named_modules():
        base = _base(type(part))
        if isinstance(part, nn.TransformerEncoderLayer | nn.TransformerDecoderLayer) and not part.self_attn.batch_first:
            sequence_first.update((part.linear1, part.linear2))
        if isinstance(part, _OPAQUE):
            yield Candidate(name, part, "weight", "multiplies by its matrices in its own way")
        elif base is nn.MultiheadAttention:
            attention = cast("nn.MultiheadAttention", part)
            for parameter in _projections(attention):
                candidate = Candidate(f"{name}.{parameter}".lstrip("."), part, parameter, _obstacle(part, parameter), batch_axis=1)
                yield candidate
            inside[attention.out_proj] = candidate
        elif base is not None:
            outer = inside.get(part)
            obstacle = _obstacle(part, "weight")
            if outer is not None and outer.obstacle and not obstacle:
                obstacle = f"is multiplied inside {plain_name(outer.layer)}, never called"
            yield Candidate(name, part, "weight", obstacle, int(outer is not None or part in sequence_first))


def others(module: nn.Module, known: Sequence[Candidate]) -> Iterator[tuple[str, nn.Module, str]]:
    """Yield every parameter outside the layers that a rule can be given to, and every further matrix within: name, module, name in it.

    Args:
        module: any network.
        known: its :func:`candidates`.
    """
    weights = {(candidate.layer, candidate.parameter) for candidate in known}
    layers = {candidate.layer: candidate.obstacle for candidate in known}
    for name, part in module.named_modules():
        for parameter, value in part.named_parameters(recurse=False):
            if part not in layers or not (layers[part] or (part, parameter) in weights or value.dim() < 2):
                yield name if name and parameter == "weight" else f"{name}.{parameter}".lstrip("."), part, parameter


def keep_exact(module: nn.Module, exact: Sequence[tuple[nn.Module, str]]) -> None:
    """Note that a network was given rules, and which of its parameters keep their exact gradients because the rules say so."""
    forget_exact(module)
    vars(module)["_given_rules"] = True
    for part, parameter in exact:
        vars(part)["_on_exact_gradients"] = kept_exact(part) | {parameter}


def kept_exact(part: nn.Module) -> frozenset[str]:
    """Return the names of a module's own parameters that keep their exact gradients because the rules say so."""
    return vars(part).get("_on_exact_gradients", frozenset())


def forget_exact(module: nn.Module) -> None:
    """Forget what :func:`keep_exact` noted in a network."""
    for part in module.modules():
        vars(part).pop("_given_rules", None)
        vars(part).pop("_on_exact_gradients", None)


def on_exact_gradients(module: nn.Module) -> set[Tensor]:
    """Return the parameters of a network that keep their exact gradients because the rules say so, or were given to no part with them."""
    ruled_parts = {part for root in module.modules() if "_given_rules" in vars(root) for part in root.modules()}
    if ruled_parts:
        outside = {part for part in module.modules() if part not in ruled_parts}
    else:  # rules that were loaded: what has none was given none
        outside = {candidate.layer for candidate in candidates(module) if not isinstance(candidate.layer, RuledLayer)}
    return {
        value
        for part in module.modules()
        for name, value in part.named_parameters(recurse=False)
        if name in kept_exact(part) or part in outside
    }


def convert(module: nn.Module) -> None:
    """Give a module the class that learns by a rule, if it does not have it yet."""
    if not isinstance(module, ConvertedModule):
        if _base(type(module)) is not None:
            module._bindings = {}  # type: ignore[assignment]
        module.__class__ = ruled(type(module))  # type: ignore[arg-type]


def interceptors(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the modules whose code takes the weight of a converted child to multiply by it, without calling the child."""
    for part in module.modules():
        names = _bypassed(part._plain if isinstance(part, ConvertedModule) else type(part))  # type: ignore[arg-type]
        if any(isinstance(part._modules.get(name), RuledLayer) for name in names):
            yield part


def check_removable(module: ConvertedModule, name: str) -> None:
    """Raise where the class of a converted module is no longer the one it was given.

    Raises:
        RuleError: naming the module.
    """
    if "_plain" not in vars(type(module)):
        raise RuleError(
            f"{in_words(name, module)} was given another class after its rule (by a parametrisation?): "
            f"undo that first, then remove the rule"
        )


def release(module: ConvertedModule) -> None:
    """Give a converted module its plain class back."""
    plain = module._plain
    if isinstance(module, RuledLayer):
        for binding in module._bindings.values():
            binding.clear()
        del module._bindings
    module.__class__ = plain  # type: ignore[assignment]


def multiplied(layer: nn.Module, parameter: str) -> Tensor:
    """Return what a layer, converted or not, multiplies by: one of its weights, or what it computes of it."""
    if isinstance(layer, RuledLayer):
        return layer.multiplied(parameter)
    kind, weight = type(layer), cast("Tensor", getattr(layer, parameter))
    base = _base(kind)
    product = multiplied_weight(layer, kind) if base is not None and _computes_itself(kind, base) else None
    return weight if product is None else product


def _layers() -> dict[type[nn.Module], type[RuledLayer]]:
    """Return the classes that can be converted, with what they become; those of other libraries only where these are in use."""
    conv1d = getattr(sys.modules.get("transformers.pytorch_utils"), "Conv1D", None)
    return _LAYERS if conv1d is None else _LAYERS | {conv1d: RuledTransposedLinear}


def _base(kind: type[nn.Module]) -> type[nn.Module] | None:
    return next((base for base in _layers() if issubclass(kind, base)), None)


def _computes_itself(kind: type[nn.Module], base: type[nn.Module]) -> bool:
    """Tell whether a class has another forward pass than the class that it is a kind of."""
    return any(getattr(kind, name, None) is not getattr(base, name, None) for name in _METHODS)


def _projections(attention: nn.MultiheadAttention) -> tuple[str, ...]:
    """Return the names of an attention's own weights: one packed, or three where keys and values have widths of their own."""
    return ("in_proj_weight",) if attention._qkv_same_embed_dim else ("q_proj_weight", "k_proj_weight", "v_proj_weight")


def _obstacle(layer: nn.Module, parameter: str) -> str:
    """Return why a layer cannot be converted, or ""."""
    kind = layer._plain if isinstance(layer, ConvertedModule) else type(layer)
    base = cast("type[nn.Module]", _base(kind))
    weight = cast("Tensor", getattr(layer, parameter))
    if is_lazy(weight):
        return "has no weights before its first batch: run one batch through it first"
    if weight.is_meta:
        return "has weights without values (meta device): load or initialise them first"
    if not weight.is_floating_point():
        return f"has weights of {weight.dtype}, not real floating-point numbers"
    if any(method in vars(layer) for method in _METHODS) or (_computes_itself(kind, base) and not _products_seen(layer, kind, base)):
        return f"computes in its own way, not as {base.__name__} does"
    return ""


def _products_seen(layer: nn.Module, kind: type[nn.Module], base: type[nn.Module]) -> bool:
    """Tell whether a forward pass of its own comes down to the ordinary linear map or convolution, where the rule can act."""
    if isinstance(layer, RuledOwnForward):
        return True
    return issubclass(base, nn.Linear | nn.modules.conv._ConvNd) and multiplied_weight(layer, kind) is not None


@lru_cache(maxsize=256)
def _bypassed(kind: Any) -> frozenset[str]:
    """Return the names x for which the code of a class reads ``self.x.weight``; PyTorch's own classes only look at it."""
    names = set()
    for owner in kind.__mro__:
        if owner.__module__.startswith("torch.nn."):
            continue
        for name, function in vars(owner).items():
            if not inspect.isfunction(function) or name == "__init__":  # a constructor looks at weights to draw them
                continue
            for one, other in pairwise(dis.get_instructions(function)):
                if one.opname.startswith("LOAD_ATTR") and other.opname.startswith("LOAD_ATTR") and other.argval == "weight":
                    names.add(one.argval)
    return frozenset(names)
