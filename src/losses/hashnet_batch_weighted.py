"""HashNetBatchWeighted: HashNet with pair weights from the batch instead of the training set."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..codes.pairs import logistic_loss
from ._averages import weighted_mean
from ._base import LOSSES
from ._continuation import Continuation
from ._pairs import similarity


@LOSSES.register("HashNetBatchWeighted")
class HashNetBatchWeighted(Continuation):
    r"""Similar and dissimilar pairs count the same in every batch, however rare the similar ones are in it.

    .. math:: L = \frac{1}{n} \sum_{ij} w_{ij} \left[ \log(1 + e^{\alpha \langle z_i, z_j \rangle})
        - s_{ij}\, \alpha \langle z_i, z_j \rangle \right], \quad w_{ij} = \tfrac{n}{n_+} s_{ij} + \tfrac{n}{n_-} (1 - s_{ij})

    .. math:: Z = \tanh(\beta_t F), \quad \beta_t = \sqrt{1 + \lfloor t / T \rfloor}

    Of the batch's n = B² ordered pairs :math:`n_+` are similar and :math:`n_-` dissimilar; a side that the batch does not have
    gets weight 0. The step t of the optimizer is part of the state. There is no penalty of its own: ``penalty`` is without effect.

    References:
        HashNet: Deep Learning to Hash by Continuation (Cao, Long, Wang, Yu; ICCV 2017), with weights as in later code.

    Args:
        alpha: α, factor of the inner products, the same for any number of bits.
        period: T, optimizer steps between two sharpenings.
        **shared: see :class:`HashingLoss`; ``cube=False`` is refused.

    Raises:
        UsageError: if a value is unknown or impossible.

    Example:
        >>> import torch
        >>> loss = HashNetBatchWeighted(bits=2, classes=2, train_size=8, similar_probability=0.5, penalty=0.0)
        >>> outputs = torch.zeros(3, 2)
        >>> round(loss(outputs, torch.eye(3)[:, :2], torch.arange(3)).item(), 4)  # log 2 for each side
        1.3863
    """

    def __init__(self, *, alpha: float = 0.1, **shared: Any) -> None:
        super().__init__(alpha=alpha, **shared)

    def objective(self, codes: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Return the loss of codes (B, K), labels (B, C) and indices (B,)."""
        similar = similarity(labels, codes.dtype)
        pairs = logistic_loss(self.alpha * (codes @ codes.T), similar)
        return weighted_mean(pairs, similar) + weighted_mean(pairs, 1 - similar)
