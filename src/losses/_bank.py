"""What losses of pairs share that compare a batch with itself or with the latest codes of all training images."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from ..codes.banks import BankRows, MemoryBank
from ..codes.pairs import logistic_loss, side_weights, similarity, weigh
from ..errors import UsageError
from ._base import BankUse, HashingLoss
from ._keywords import truth


class BankLoss(HashingLoss):
    """A loss of pairs of a batch with itself or, with ``bank=True``, with the latest codes of all training images.

    The rows of a batch are written into the memory bank before its loss is taken; means run over the rows that were ever written, and
    the gradient reaches the codes of the batch alone.
    """

    memory_bank: ClassVar[BankUse] = "optional"
    memory: MemoryBank

    def on_fit_start(self, labels: Tensor) -> None:
        """Begin the memory bank, where there is one, for a train fold with labels (N, C)."""
        if self.has_bank:
            self.memory = MemoryBank(labels, self.bits)

    def compared(self, codes: Tensor, labels: Tensor, index: Tensor) -> BankRows:
        """Return what the codes of a batch (B, K) are compared with: themselves, or the memory bank in which they now stand.

        Raises:
            UsageError: if :meth:`on_fit_start` was not called, or an image is none of the train fold.
        """
        if not self.has_bank:
            return BankRows(codes, labels)
        if not hasattr(self, "memory"):
            raise UsageError(f"{type(self).__name__} with a memory bank needs the labels of the train fold: call on_fit_start first")
        self.memory.write(index, codes)
        rows = self.memory.rows()
        return rows._replace(codes=rows.codes.to(codes.dtype))


class BalancedLoss(BankLoss):
    """A loss of pairs in which similar and dissimilar ones may count the same.

    Args:
        balance: whether they do, see :func:`~biodeephashing.codes.pairs.side_weights`.
        **shared: see :class:`HashingLoss`.

    Raises:
        UsageError: if a value is unknown or impossible.
    """

    def __init__(self, *, balance: bool = False, **shared: Any) -> None:
        super().__init__(**shared)
        self.pair_weights = side_weights(self.similar_probability) if truth("balance", balance) else None

    def weighted_mean(self, pairs: Tensor, similar: Tensor, rows: BankRows) -> Tensor:
        """Return the mean loss of pairs (B, N) with the rows, weighted by their similarity (B, N) where the loss is balanced."""
        return rows.mean(pairs if self.pair_weights is None else weigh(similar, self.pair_weights) * pairs)

    def likelihood(self, codes: Tensor, labels: Tensor, index: Tensor, scale: float) -> Tensor:
        """Return the mean negative log-likelihood of the similarity of pairs, whose logits are their inner products times the scale."""
        rows = self.compared(codes, labels, index)
        similar = similarity(labels, rows.labels, codes.dtype)
        return self.weighted_mean(logistic_loss(scale * (codes @ rows.codes.T), similar), similar, rows)

    def collapse_cure(self) -> str:
        """Return what may keep all images from having one code."""
        return super().collapse_cure() if self.pair_weights else "weigh similar and dissimilar pairs alike (-constants balance=true)"
