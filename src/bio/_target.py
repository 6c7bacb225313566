"""Handing the labels of a batch to the rules that send them down."""

from __future__ import annotations

from torch import Tensor, nn

from ..errors import RuleError
from ._broadcast import FeedbackBus
from ._layers import bindings


def give_target(network: nn.Module, target: Tensor) -> None:
    """Hand the labels of the next batch to the rules of a network that send the target down; for others nothing happens.

    Args:
        network: any network; what it contains is found.
        target: one-hot or multi-hot labels, (batch, classes).

    Raises:
        RuleError: for labels of another shape.

    Example:
        >>> import torch
        >>> from biodeephashing.bio import apply_rule
        >>> network = apply_rule(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), "drtp")
        >>> give_target(network, torch.eye(2))
        >>> network(torch.randn(2, 4)).square().sum().backward()
    """
    if not isinstance(target, Tensor) or target.dim() != 2:
        shape = tuple(target.shape) if isinstance(target, Tensor) else type(target).__name__
        raise RuleError(f"the target is a one-hot or multi-hot tensor of shape (batch, classes), not {shape}")
    for part in network.modules():
        for bus in getattr(part, "_buses", ()):
            if bus.rule.needs_target:
                bus.target = target.detach()
                if bus.width != target.shape[1]:
                    _widen(network, bus, target.shape[1])


def _widen(network: nn.Module, bus: FeedbackBus, width: int) -> None:
    """Draw every B of a bus anew for a signal of another width."""
    bus.width = width
    for binding in bindings(network).values():
        if binding.bus is bus:
            binding.draw()
