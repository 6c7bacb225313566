"""Layers that learn by a rule: an object keeps everything it has and changes its class."""

from __future__ import annotations

import copyreg
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, SupportsIndex, cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from ..errors import RuleError
from ._draw import draw
from ._functional import Geometry, convolution, linear
from ._rule import Rule


@dataclass(frozen=True)
class Assignment:
    """What one layer was given: its rule and everything that its feedback matrix is redrawn from.

    Args:
        rule: the learning rule.
        seed: seed of the drawing.
        key: the name that seeded the drawing: the layer's dotted name at conversion.
        asked: the scale as it was asked for, a word or a number.
        scale: the number it stands for.
    """

    rule: Rule
    seed: int
    key: str
    asked: str | float
    scale: float


class RuledLayer(nn.Module):
    """What all converted layers share; only ever the first base of a class made by :func:`ruled`."""

    _plain: type[nn.Module]
    _assignment: Assignment
    _feedback_matrix: Tensor | None
    weight: Tensor
    bias: Tensor | None

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, rule={self._assignment.rule.name}"

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        reduced = super().__reduce_ex__(protocol)
        if "_plain" not in vars(type(self)) or reduced[0] is not copyreg.__newobj__:  # type: ignore[attr-defined]
            return reduced
        return _new, (self._plain,), *reduced[2:]  # the class is made on demand: pickle finds it through the plain one

    def _given(self) -> tuple[Tensor, Tensor | None, Tensor | None, Rule, float]:
        return self.weight, self.bias, self._feedback_matrix, self._assignment.rule, self._assignment.scale


class RuledLinear(RuledLayer):
    """``nn.Linear`` by a rule."""

    def forward(self, input: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            return cast("Tensor", super().forward(input))
        return linear(input, *self._given())


class RuledConvolution(RuledLayer):
    """``nn.Conv1d``, ``2d`` and ``3d`` by a rule."""

    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: str | tuple[int, ...]
    padding_mode: str
    dilation: tuple[int, ...]
    groups: int
    _reversed_padding_repeated_twice: list[int]

    def forward(self, input: Tensor) -> Tensor:
        axes = len(self.kernel_size)
        if not torch.is_grad_enabled() or input.dim() not in (axes + 1, axes + 2):
            return cast("Tensor", super().forward(input))
        if input.dim() == axes + 1:
            return self._convolve(input.unsqueeze(0)).squeeze(0)
        return self._convolve(input)

    def _convolve(self, input: Tensor) -> Tensor:
        nothing = (0,) * len(self.kernel_size)
        if self.padding_mode != "zeros":
            input, padding = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode), nothing
        elif self.padding == "same":
            input, padding = self._pad_to_same(input)
        else:
            padding = nothing if isinstance(self.padding, str) else self.padding
        geometry = Geometry(self.stride, padding, self.dilation, False, nothing, self.groups)
        return convolution(input, *self._given(), geometry)

    def _pad_to_same(self, input: Tensor) -> tuple[Tensor, tuple[int, ...]]:
        """Add the odd row or column that an even reach wants on the far side; the rest is ordinary, symmetric padding."""
        reach = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
        if any(r % 2 for r in reach):
            input = F.pad(input, [amount for r in reversed(reach) for amount in (0, r % 2)])
        return input, tuple(r // 2 for r in reach)


class RuledTransposedConvolution(RuledLayer):
    """``nn.ConvTranspose1d``, ``2d`` and ``3d`` by a rule."""

    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    _output_padding: Any

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        axes = len(self.kernel_size)
        if not torch.is_grad_enabled() or input.dim() not in (axes + 1, axes + 2):
            return cast("Tensor", super().forward(input, output_size))
        extra = self._output_padding(input, output_size, self.stride, self.padding, self.kernel_size, axes, self.dilation)
        geometry = Geometry(self.stride, self.padding, self.dilation, True, tuple(extra), self.groups)
        if input.dim() == axes + 1:
            return convolution(input.unsqueeze(0), *self._given(), geometry).squeeze(0)
        return convolution(input, *self._given(), geometry)


_LAYERS: dict[type[nn.Module], type[RuledLayer]] = {
    nn.Linear: RuledLinear,
    nn.Conv1d: RuledConvolution,
    nn.Conv2d: RuledConvolution,
    nn.Conv3d: RuledConvolution,
    nn.ConvTranspose1d: RuledTransposedConvolution,
    nn.ConvTranspose2d: RuledTransposedConvolution,
    nn.ConvTranspose3d: RuledTransposedConvolution,
}

# Modules that multiply by matrices of their own, or by those of a child whose forward they never call.
_OPAQUE = (nn.MultiheadAttention, nn.RNNBase, nn.RNNCellBase, nn.Bilinear)


@lru_cache(maxsize=256)  # bounded: every parametrised module brings a class of its own
def ruled(plain: type) -> type[RuledLayer]:
    """Return the class that behaves as a plain layer class forwards and by a rule backwards."""
    return type(f"Ruled{plain.__name__}", (_LAYERS[_base(plain)], plain), {"_plain": plain, "__module__": __name__})  # type: ignore[index]


def linear_maps(module: nn.Module) -> Iterator[tuple[str, nn.Module, str]]:
    """Yield each module that multiplies by weights: dotted name, module, and why it cannot be converted ("" where it can)."""
    inside: dict[nn.Module, str] = {}
    for name, part in module.named_modules():
        if isinstance(part, _OPAQUE):
            inside.update(dict.fromkeys(part.modules(), type(part).__name__))
            yield name, part, "multiplies by its matrices in its own way"
        elif _base(type(part)) is not None:
            obstacle = f"is multiplied inside {inside[part]}, never called" if part in inside else _obstacle(part)
            yield name, part, obstacle


def assign(layer: nn.Module, assignment: Assignment) -> None:
    """Convert a layer, or give a converted one another rule."""
    matrix = None
    if assignment.rule.draws_matrix:
        weight = cast("Tensor", layer.weight)
        matrix = assignment.rule.prepare(draw(weight, assignment.scale, assignment.seed, assignment.key, assignment.rule.name))
    if not isinstance(layer, RuledLayer):
        layer.__class__ = ruled(type(layer))  # type: ignore[arg-type]
    layer._assignment = assignment  # type: ignore[assignment]
    layer.register_buffer("_feedback_matrix", matrix, persistent=False)


def check_removable(layer: RuledLayer, name: str) -> None:
    """Raise where the class of a converted layer is no longer the one it was given.

    Raises:
        RuleError: naming the layer.
    """
    if "_plain" not in vars(type(layer)):
        raise RuleError(
            f"{in_words(name, layer)} was given another class after its rule (by a parametrisation?): undo that first, then remove the rule"
        )


def release(layer: RuledLayer) -> None:
    """Give a converted layer its plain class back."""
    plain = layer._plain
    del layer._feedback_matrix, layer._assignment
    layer.__class__ = plain  # type: ignore[assignment]


def plain_name(module: nn.Module) -> str:
    """Return the name of a module's class without its rule."""
    return (module._plain if isinstance(module, RuledLayer) else type(module)).__name__


def in_words(name: str, module: nn.Module) -> str:
    """Return a layer's name and class for a message."""
    return f"layer {name!r} ({plain_name(module)})" if name else f"the module itself ({plain_name(module)})"


def _base(kind: type[nn.Module]) -> type[nn.Module] | None:
    return next((base for base in _LAYERS if issubclass(kind, base)), None)


def _obstacle(layer: nn.Module) -> str:
    """Return why a layer cannot be converted, or ""."""
    kind = layer._plain if isinstance(layer, RuledLayer) else type(layer)
    base = cast("type[nn.Module]", _base(kind))
    methods = ("forward", "_conv_forward", "_output_padding")
    if any(getattr(kind, method, None) is not getattr(base, method, None) or method in vars(layer) for method in methods):
        return f"computes in its own way, not as {base.__name__} does"
    weight = cast("Tensor", layer.weight)
    if is_lazy(weight):
        return "has no weights before its first batch: run one batch through it first"
    if weight.is_meta:
        return "has weights without values (meta device): load or initialise them first"
    if not weight.is_floating_point():
        return f"has weights of {weight.dtype}, not real floating-point numbers"
    return ""


def _new(plain: type[nn.Module]) -> RuledLayer:
    kind = ruled(plain)  # type: ignore[arg-type]
    return kind.__new__(kind)
