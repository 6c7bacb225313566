"""What the forms of HashNet share: a tanh that grows into the sign while training."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ._base import HashingLoss
from ._keywords import count, number


class Continuation(HashingLoss):
    r"""A loss on inner products of codes whose relaxation is sharpened step by step.

    .. math:: Z = \tanh(\beta_t F), \quad \beta_t = \sqrt{1 + \lfloor t / T \rfloor}

    The step t of the optimizer is part of the state, so that a resumed run goes on where it was.

    Args:
        period: T, optimizer steps between two sharpenings.
        alpha: α, factor of the inner products; by default 10/K.
        **shared: see :class:`HashingLoss`; ``cube=False`` is refused.

    Raises:
        UsageError: if a value is unknown or impossible.
    """

    own_relaxation = "tanh(beta F) with a beta that grows"
    has_penalty = False
    steps: Tensor

    def __init__(self, *, period: int = 200, alpha: float | None = None, **shared: Any) -> None:
        super().__init__(**shared)
        self.period = count("period", period)
        self.alpha = 10.0 / self.bits if alpha is None else number("alpha", alpha, above=0.0)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def beta(self, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return the present sharpness, a scalar on the loss's device."""
        return (1 + self.steps // self.period).to(dtype).sqrt()

    def relax(self, outputs: Tensor) -> Tensor:
        """Return the codes tanh(beta F) of raw outputs F (B, K)."""
        return torch.tanh(self.beta(outputs.dtype) * outputs)

    def advance(self) -> None:
        """Count a step of the optimizer."""
        self.steps += 1
