"""DSH: a contrastive loss with a margin."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..codes.pairs import contrastive_loss, similarity, squared_distances
from ..errors import UsageError
from ._bank import BalancedLoss
from ._base import LOSSES
from ._keywords import number, truth


@LOSSES.register("DSH", bank="optional")
class DSH(BalancedLoss):
    r"""Similar codes are drawn together, dissimilar ones pushed apart up to a margin.

    .. math:: L = \frac{1}{B^2} \sum_{ij} w_{ij} \tfrac12 \left[ s_{ij} d_{ij} + (1 - s_{ij}) \max(0, m - d_{ij}) \right]
        + \frac{\lambda}{B} \sum_{ik} \bigl|\, |z_{ik}| - 1 \bigr|, \quad d_{ij} = \|z_i - z_j\|^2

    The mean runs over all ordered pairs, each row with itself included; the paper sums over i < j.

    References:
        Deep Supervised Hashing for Fast Image Retrieval (Liu, Wang, Shan, Chen; CVPR 2016).

    Args:
        margin: m, squared distance from which dissimilar codes are left alone; by default 2K, half the codes' largest.
        signed_penalty: take ``1 − |z|`` for ``||z| − 1|``, for results of code that leaves the absolute value out; inside the cube both
            are the same, and without the cube the loss would have no least value: refused.
        balance: weigh pairs by :math:`w_{ij}`, instead of 1, so that the few similar ones count as much as the others.
        **shared: see :class:`HashingLoss`; the paper's ``penalty`` is 0.01.

    Raises:
        UsageError: if a value is unknown or impossible.

    Example:
        >>> import torch
        >>> loss = DSH(bits=2, classes=2, train_size=2, similar_probability=0.5, penalty=0.0, cube=False)
        >>> codes, labels = torch.tensor([[1.0, 1.0], [1.0, 0.0]]), torch.eye(2)
        >>> loss(codes, labels, torch.arange(2)).item()  # two of four pairs, each (2 * 2 - 1) / 2
        0.75
    """

    def __init__(self, *, margin: float | None = None, signed_penalty: bool = False, **shared: Any) -> None:
        super().__init__(**shared)
        self.margin = 2.0 * self.bits if margin is None else number("margin", margin, above=0.0)
        self.signed_penalty = truth("signed_penalty", signed_penalty)
        if self.signed_penalty and not self.cube:
            raise UsageError("signed_penalty=True falls without end where codes may leave the cube: leave out either it or -no_cube")

    def objective(self, codes: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Return the loss of codes (B, K), labels (B, C) and indices (B,)."""
        rows = self.compared(codes, labels, index)
        similar = similarity(labels, rows.labels, codes.dtype)
        distances = squared_distances(codes, rows.codes if self.has_bank else None)
        pairs = self.weighted_mean(contrastive_loss(distances, similar, self.margin), similar, rows)
        missing = 1 - codes.abs()
        quantisation = missing if self.signed_penalty else missing.abs()
        return pairs / 2 + self.penalty * quantisation.sum(1).mean()
