"""HashNet: a weighted pairwise likelihood, and a tanh that grows into the sign while training."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..codes.pairs import logistic_loss, side_weights, weigh
from ._base import LOSSES
from ._continuation import Continuation
from ._pairs import similarity


@LOSSES.register("HashNet")
class HashNet(Continuation):
    r"""The relaxation is sharpened step by step, so that no quantisation penalty is needed.

    .. math:: L = \frac{1}{B^2} \sum_{ij} w_{ij} \left[ \log(1 + e^{\alpha \langle z_i, z_j \rangle})
        - s_{ij}\, \alpha \langle z_i, z_j \rangle \right], \quad w_{ij} = \tfrac{s_{ij}}{p} + \tfrac{1 - s_{ij}}{1 - p}

    .. math:: Z = \tanh(\beta_t F), \quad \beta_t = \sqrt{1 + \lfloor t / T \rfloor}

    The step t of the optimizer is part of the state, so that a resumed run goes on where it was. There is no penalty of
    its own: ``penalty`` is without effect.

    References:
        HashNet: Deep Learning to Hash by Continuation (Cao, Long, Wang, Yu; ICCV 2017).

    Args:
        period: T, optimizer steps between two sharpenings.
        alpha: α, factor of the inner products; by default 10/K.
        **shared: see :class:`HashingLoss`; ``cube=False`` is refused.

    Raises:
        UsageError: if a value is unknown or impossible.

    Example:
        >>> import torch
        >>> loss = HashNet(bits=4, classes=2, train_size=8, similar_probability=0.5, penalty=0.0, period=3)
        >>> for _ in range(9):
        ...     loss.advance()
        >>> loss.beta().item()
        2.0
    """

    def __init__(self, **shared: Any) -> None:
        super().__init__(**shared)
        self.weights = side_weights(self.similar_probability)

    def objective(self, codes: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Return the loss of codes (B, K), labels (B, C) and indices (B,)."""
        similar = similarity(labels, codes.dtype)
        pairs = logistic_loss(self.alpha * (codes @ codes.T), similar)
        return (weigh(similar, self.weights) * pairs).mean()
