"""Does the rule act at all: layers whose weights are used behind their backs, and matrices that no layer holds."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import RuleError
from ._binding import Probe, WeightBinding
from ._conversions import candidates, on_exact_gradients
from ._converted import in_words, plain_name
from ._layers import RuledLayer, bindings
from ._products import Product, exact_products


def check_reach(module: nn.Module, *inputs: Any) -> None:
    """Run one batch through a network and raise where an error would go down through a weight and not by its rule.

    That is so where a converted layer is never called, and where a parameter is multiplied outside the layers that a rule can be
    given to: ``F.linear(x, self.weight)``, ``x @ self.encoder.weight``, a convolution or ``einsum`` of a module's own. What counts is
    what the forward pass does, not what the modules are called. Looked-up embeddings and what is added or scaled element by element
    are no products; a product below which nothing learns sends no error down; and what a rule map gives to ``bp`` may have its exact
    gradients. Parameters, running statistics and random generators are left as they were.

    Args:
        module: a converted network, in the mode (train or eval) it is to be checked in.
        inputs: what a forward pass takes.

    Raises:
        RuleError: naming the layers that were not met, or the parameters that no rule reaches.

    Example:
        >>> from biodeephashing.bio import apply_rule
        >>> check_reach(apply_rule(nn.Sequential(nn.Linear(3, 2)), "fa"), torch.zeros(1, 3))
    """
    layers = bindings(module)
    if not layers:
        raise RuleError(f"{plain_name(module)} holds no layer that learns by a rule: apply_rule() first")
    pass_ = _probe(module, layers, inputs)
    missed = [name for name, binding in layers.items() if binding not in pass_.met]
    past = _past_the_rules(module, layers, pass_.products)
    if past and not all(binding.rule.exact for binding in layers.values()):
        raise RuleError(_multiplied_in_words(module, layers, past, pass_.spans))
    if missed:
        words = [f"{in_words(n, b.layer)} {tuple(b.weight.shape)} by rule {b.rule.name!r}" for n, b in layers.items() if n in missed[:5]]
        raise RuleError(
            f"the forward pass of {plain_name(module)} never calls {len(missed)} of its {len(layers)} converted layers, so their rule "
            f"would not act: {', '.join(words)}{', ...' if len(missed) > 5 else ''}. Remove the layers, or the rule from them"
        )


@dataclass
class _Pass:
    """What one forward pass has shown: the weights met, products past every rule, and each module's share of autograd's count."""

    met: list[WeightBinding]
    products: list[Product]
    spans: list[tuple[int, int, nn.Module]]


def _probe(module: nn.Module, layers: Mapping[str, WeightBinding], inputs: tuple[Any, ...]) -> _Pass:
    devices = {binding.weight.device for binding in layers.values() if binding.weight.device.type == "cuda"}
    known = {parameter for binding in layers.values() for parameter in _parameters_of(binding)}
    with ExitStack() as stack:
        stack.enter_context(_left_as_it_was(module))
        trained = stack.enter_context(_all_require_gradients(module))
        stack.enter_context(torch.random.fork_rng(devices))
        stack.enter_context(torch.enable_grad())
        if "torch._dynamo" in sys.modules:  # a compiled module shows autograd one function and no products
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        spans = stack.enter_context(_noted_spans(module))
        probe = stack.enter_context(_probed(layers.values()))
        outputs = [*_tensors(module(*inputs)), *probe.cut_off]
        return _Pass(probe.met, exact_products(outputs, trained, known | on_exact_gradients(module)), spans)


@contextmanager
def _probed(layers: Collection[WeightBinding]) -> Iterator[Probe]:
    """Let some weights note when a forward pass meets them; no signal of a broadcasting rule is sent meanwhile."""
    probe = Probe()
    try:
        for binding in layers:
            binding.probe = probe
        yield probe
    finally:
        for binding in layers:
            binding.probe = None


@contextmanager
def _left_as_it_was(module: nn.Module) -> Iterator[None]:
    """Put the buffers of a network back after a forward pass."""
    statistics = [(buffer, buffer.clone()) for name, buffer in module.named_buffers() if "_feedback" not in name]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, value in statistics:
                buffer.copy_(value)


@contextmanager
def _all_require_gradients(module: nn.Module) -> Iterator[dict[Tensor, bool]]:
    """Let autograd note frozen parameters too: they send errors down as others do. Yields which parameters really learn."""
    trained: dict[Tensor, bool] = {parameter: parameter.requires_grad for parameter in module.parameters()}
    frozen = [parameter for parameter, learns in trained.items() if not learns and parameter.is_floating_point()]
    try:
        for parameter in frozen:
            parameter.requires_grad_(True)
        yield trained
    finally:
        for parameter in frozen:
            parameter.requires_grad_(False)


@contextmanager
def _noted_spans(module: nn.Module) -> Iterator[list[tuple[int, int, nn.Module]]]:
    """Note for every module that runs which of autograd's operations were its own."""
    spans: list[tuple[int, int, nn.Module]] = []
    running: list[int] = []

    def begin(part: nn.Module, inputs: Any) -> None:
        running.append(torch._C._autograd._get_sequence_nr())

    def end(part: nn.Module, inputs: Any, output: Any) -> None:
        spans.append((running.pop(), torch._C._autograd._get_sequence_nr(), part))

    parts = list(module.modules())
    handles = [*(part.register_forward_pre_hook(begin) for part in parts), *(part.register_forward_hook(end) for part in parts)]
    try:
        yield spans
    finally:
        for handle in handles:
            handle.remove()


def _tensors(output: Any) -> Iterator[Tensor]:
    """Yield every tensor of an output, whatever it is wrapped in."""
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, Mapping):
        for part in output.values():
            yield from _tensors(part)
    elif isinstance(output, (list, tuple, set)):
        for part in output:
            yield from _tensors(part)
    elif hasattr(output, "__dict__") and not isinstance(output, type | nn.Module):
        yield from _tensors(vars(output))


def _parameters_of(binding: WeightBinding) -> Iterator[Tensor]:
    """Yield the parameters that a weight is, or is computed of."""
    weight = binding.layer._parameters.get(binding.parameter)
    if weight is not None:
        yield weight
    elif "parametrizations" in binding.layer._modules:
        yield from binding.layer.parametrizations[binding.parameter].parameters()  # type: ignore[index, union-attr]
    else:  # computed by a hook
        yield from binding.layer.parameters(recurse=False)


def _past_the_rules(module: nn.Module, layers: Mapping[str, WeightBinding], products: list[Product]) -> dict[Tensor, int]:
    """Return the parameters that are multiplied although no rule reaches them there, and where: those with the most axes of a factor."""
    exempt = on_exact_gradients(module).union(*(_parameters_of(binding) for binding in layers.values() if binding.rule.exact))
    past: dict[Tensor, int] = {}
    for product in products:
        if not product.parameters & exempt:
            axes = min(2, max(parameter.dim() for parameter in product.parameters))
            past |= {parameter: product.sequence_number for parameter in product.parameters if parameter.dim() >= axes}
    return past


def _multiplied_in_words(
    module: nn.Module, layers: Mapping[str, WeightBinding], past: Mapping[Tensor, int], spans: list[tuple[int, int, nn.Module]]
) -> str:
    names = {name: parameter for name, parameter in module.named_parameters() if parameter in past}
    paths = {part: path for path, part in module.named_modules()}
    rules = {parameter: binding.rule.name for binding in layers.values() for parameter in _parameters_of(binding)}
    late = {getattr(one.layer, one.parameter) for one in candidates(module) if not isinstance(one.layer, RuledLayer)}
    words = []
    for name, parameter in list(names.items())[:5]:
        user = _user(past[parameter], spans, module)
        known = f", which learns by rule {rules[parameter]!r} in its own layer," if parameter in rules else ""
        known = known or (", of a layer that came after the rule: apply_rule() again," if parameter in late else "")
        words.append(f"{name!r} {tuple(parameter.shape)}{known} in {in_words(paths[user], user)}")
    patterns = ",".join(f"{name.removesuffix('.weight')}=bp" for name in names)
    rule = next(binding.rule.name for binding in layers.values() if not binding.rule.exact)
    return (
        f"the forward pass of {plain_name(module)} multiplies by {len(past)} parameter{'s' if len(past) > 1 else ''} past every rule, so "
        f"the error would go down through the exact transpose: {'; '.join(words)}{'; ...' if len(past) > 5 else ''}. "
        f"Hold such a matrix in a Linear or convolution layer of its own and call the layer, or leave it to backpropagation in a rule map: "
        f"{patterns},*={rule}"
    )


def _user(operation: int, spans: list[tuple[int, int, nn.Module]], module: nn.Module) -> nn.Module:
    """Return the innermost module that an operation belongs to."""
    around = [(end - start, number) for number, (start, end, _) in enumerate(spans) if start <= operation < end]
    return spans[min(around)[1]][2] if around else module
