"""How far the feedback is from backpropagation, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ..errors import RuleError
from ._binding import WeightBinding, whole
from ._layers import bindings
from ._rule import BroadcastRule, Rule
from .bp import Backpropagation


@dataclass(frozen=True)
class Alignment:
    r"""What was measured of one layer; NaN where a quantity does not exist.

    Args:
        name: dotted name of the layer.
        rule: the name of its rule.
        weight_angle: angle between vec(W) and vec(B) [degrees].
        sign_agreement: share of the entries with σ(W) = σ(B).
        norm_ratio: ‖B‖ / ‖W‖.
        update_angle: angle between the rule's weight gradient and backpropagation's on the same batch [degrees].
    """

    name: str
    rule: str
    weight_angle: float
    sign_agreement: float
    norm_ratio: float
    update_angle: float


QUANTITIES = ("weight_angle", "sign_agreement", "norm_ratio", "update_angle")

_PIECE = 1 << 20  # numbers looked at together


def feedback_matrix(network: nn.Module, name: str) -> Tensor:
    """Return the matrix B that a layer uses now.

    Args:
        network: a network with rules.
        name: dotted name of the layer, as :func:`describe` lists it.

    Raises:
        RuleError: when no such layer learns by a rule.

    Example:
        >>> from biodeephashing.bio import apply_rule
        >>> layer = apply_rule(nn.Linear(3, 2), "usf", scale=0.5)
        >>> bool((feedback_matrix(layer, "") == 0.5 * layer.weight.sign()).all())
        True
    """
    layers = bindings(network)
    if name not in layers:
        raise RuleError(f"no layer {name!r} learns by a rule; those that do are {', '.join(map(repr, layers)) or 'none'}")
    return layers[name].feedback()


def measure_alignment(
    network: nn.Module, loss: Callable[[], Tensor] | None = None, *, average: Callable[[Tensor], Tensor] | None = None
) -> list[Alignment]:
    """Measure every layer that learns by a rule: its B beside its W, and what it learns beside what backpropagation would.

    Broadcasting rules send the network's error, or the target, to every layer: only in the last layer of ``dfa`` does B stand in W's
    place, elsewhere their first three quantities are NaN. A layer that is frozen or has no gradient has no update angle.

    Args:
        network: a network with rules.
        loss: computes the loss of one batch by a forward pass; called twice, with the same random numbers, once by the rules and
            once by backpropagation. None to leave the update angle out. Running statistics move as in any forward pass: keep
            a copy of them, or measure in evaluation mode.
        average: returns the mean of a gradient over the processes that share a batch; None where there is one process.

    Returns:
        One :class:`Alignment` for each layer.

    Raises:
        RuleError: when there is a loss and ``fully_shard`` has spread the weights, whose gradients go to the processes in parts.

    Example:
        >>> from biodeephashing.bio import apply_rule
        >>> torch.manual_seed(0)  # doctest: +ELLIPSIS
        <torch._C.Generator object at ...>
        >>> layer, x = apply_rule(nn.Linear(300, 200), "usf"), torch.randn(5, 300)
        >>> [one] = measure_alignment(layer, lambda: layer(x).square().sum())
        >>> round(one.weight_angle), one.sign_agreement, round(one.update_angle)
        (30, 1.0, 0)
    """
    layers = bindings(network)
    angles = dict.fromkeys(layers, math.nan)
    if loss is not None:
        ours = _gradients(layers, loss, average)
        with exact_gradients(network):
            exact = _gradients(layers, loss, average)
        angles = {name: _angle(ours[name], exact[name]) for name in layers}
    last = list(layers)[-1:]
    return [_one(name, binding, angles[name], last=[name] == last) for name, binding in layers.items()]


@contextmanager
def exact_gradients(network: nn.Module) -> Iterator[None]:
    """Let a network with rules learn by backpropagation for a while, its feedback untouched.

    Args:
        network: the network.
    """
    layers = bindings(network)
    rules = {name: binding.rule for name, binding in layers.items()}
    try:
        for binding in layers.values():
            binding.rule = Backpropagation()
        yield
    finally:
        for name, binding in layers.items():
            binding.rule = rules[name]


def _gradients(
    layers: Mapping[str, WeightBinding], loss: Callable[[], Tensor], average: Callable[[Tensor], Tensor] | None
) -> dict[str, Tensor | None]:
    """Return the weights' gradients; every call sees the same random numbers."""
    devices = {binding.weight.device for binding in layers.values() if binding.weight.device.type == "cuda"}
    # A parametrised weight is computed anew each time it is asked for: cached, the forward pass uses the one that is looked at here.
    with torch.enable_grad(), torch.random.fork_rng(devices), parametrize.cached():
        learning = {name: weight for name, binding in layers.items() if (weight := binding.weight).requires_grad}
        spread = next((name for name, weight in learning.items() if hasattr(weight, "full_tensor")), None)
        if spread is not None:
            raise RuleError(f"fully_shard has spread layer {spread!r} over the processes: measure its update angle before, or pass no loss")
        if not learning:
            return dict.fromkeys(layers)
        gradients = torch.autograd.grad(loss(), list(learning.values()), allow_unused=True)
    means = (gradient if average is None or gradient is None else average(gradient) for gradient in gradients)
    return dict.fromkeys(layers) | dict(zip(learning, means, strict=True))


@torch.no_grad()
def _one(name: str, binding: WeightBinding, update_angle: float, *, last: bool) -> Alignment:
    weight, matrix, rule = whole(binding.multiplied).detach(), binding.feedback(), binding.rule
    stands_for_weight = isinstance(rule, Rule) or (isinstance(rule, BroadcastRule) and last and not rule.needs_target)
    if not stands_for_weight or matrix.shape != weight.shape:
        return Alignment(name, rule.name, math.nan, math.nan, math.nan, update_angle)
    agreement = (weight.sign() == matrix.sign()).sum().item() / weight.numel() if weight.numel() else math.nan
    norm = _norm(weight).item()
    ratio = _norm(matrix).item() / norm if norm else math.nan
    return Alignment(name, rule.name, _angle(weight, matrix), agreement, ratio, update_angle)


def _angle(one: Tensor | None, other: Tensor | None) -> float:
    r"""Return the angle between two tensors in degrees, exact near 0 and 180 too; NaN where one has no direction.

    .. math:: 2 \arctan \frac{\lVert a - b \rVert}{\lVert a + b \rVert} \quad \text{of the unit vectors } a, b
    """
    if one is None or other is None:
        return math.nan
    norms = _norm(one.detach()), _norm(other.detach())
    if not all(norms):
        return math.nan
    apart = together = torch.zeros((), dtype=torch.float64, device=one.device)
    # in pieces: whole copies in float64 of a large layer would take several times the memory of the network
    for a, b in zip(one.detach().flatten().split(_PIECE), other.detach().flatten().split(_PIECE), strict=True):
        unit, other_unit = a.double() / norms[0], b.double() / norms[1]
        apart = apart + (unit - other_unit).square().sum()
        together = together + (unit + other_unit).square().sum()
    return math.degrees(2 * math.atan2(apart.sqrt().item(), together.sqrt().item()))


def _norm(tensor: Tensor) -> Tensor:
    return torch.linalg.vector_norm(tensor, dtype=torch.float64)
