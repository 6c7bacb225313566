"""A memory of the latest code of every training image, and pair losses of a batch with it."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..errors import UsageError
from ..registry import Registry
from .pairs import (
    contrastive_loss,
    graded_loss,
    label_cosine,
    logistic_loss,
    side_weights,
    similarity,
    squared_distances,
    squared_probability_error,
    squared_product_error,
    weigh,
)


class BankRows(NamedTuple):
    """Codes (N, K) and labels (N, C) of the images that a batch is compared with, and which of them count, (N,); None for all."""

    codes: Tensor
    labels: Tensor
    written: Tensor | None = None

    def mean(self, pairs: Tensor) -> Tensor:
        """Return the mean of the pairs (B, N) of a batch with the rows that count, a scalar.

        Nothing is selected, so that no shape depends on values and no device has to be waited for.

        Example:
            >>> rows = BankRows(torch.zeros(3, 1), torch.zeros(3, 1), torch.tensor([True, False, True]))
            >>> rows.mean(torch.tensor([[1.0, 5.0, 3.0]])).item()
            2.0
        """
        if self.written is None:
            return pairs.mean()
        counted = self.written.to(pairs.dtype)
        return (pairs @ counted).mean() / counted.sum().clamp_min(1)


class MemoryBank(nn.Module):
    """The latest code of each training image; a batch is written before its loss is taken.

    Codes and the record of what was written are part of the state; labels are known from the start.

    Args:
        labels: of all training images by index, 0 or 1, (N, C).
        bits: K.

    Raises:
        UsageError: for no image.

    Example:
        >>> bank = MemoryBank(torch.eye(3), bits=2)
        >>> bank.write(torch.tensor([2, 0]), torch.tensor([[0.5, -0.5], [1.0, 1.0]]))
        >>> bank.rows().codes.tolist(), bank.rows().written.tolist()
        ([[1.0, 1.0], [0.0, 0.0], [0.5, -0.5]], [True, False, True])
    """

    labels: Tensor
    codes: Tensor
    written: Tensor

    def __init__(self, labels: Tensor, bits: int) -> None:
        super().__init__()
        if not len(labels):
            raise UsageError("a memory bank needs at least one training image")
        self.register_buffer("labels", labels, persistent=False)
        self.register_buffer("codes", torch.zeros(len(labels), bits, device=labels.device))
        self.register_buffer("written", torch.zeros(len(labels), dtype=torch.bool, device=labels.device))

    def write(self, index: Tensor, codes: Tensor) -> None:
        """Keep the codes of a batch, without their gradient.

        Args:
            index: numbers of its images, (B,).
            codes: as the loss relaxes them, (B, K).

        Raises:
            UsageError: for another shape, or an index that no training image has.
        """
        size, bits = self.codes.shape
        if codes.shape != (len(index), bits):
            raise UsageError(f"a memory bank of {bits} bits takes codes ({len(index)}, {bits}), not {tuple(codes.shape)}")
        # A negative one would count from the end. On a GPU looking at them would wait for it: it checks the upper bound itself.
        if index.device.type == "cpu" and len(index) and not 0 <= int(index.min()) <= int(index.max()) < size:
            raise UsageError(f"indices from {index.min()} to {index.max()}: the memory bank has 0 to {size - 1}")
        self.codes[index] = codes.detach().to(self.codes.dtype)
        self.written[index] = True

    def clear(self) -> None:
        """Forget what was written."""
        self.written.zero_()

    def rows(self) -> BankRows:
        """Return all rows; those that were never written, or forgotten, do not count: their zeros are the code of no image."""
        return BankRows(self.codes, self.labels, self.written)


class Terms(NamedTuple):
    """The loss of each pair of a batch and a bank, (B, N), and the penalty of the batch's codes, a scalar."""

    pairs: Tensor
    penalty: Tensor


BANK_LOSSES: Registry[Callable[[Tensor, Tensor, BankRows], Terms]] = Registry("memory-bank loss")


def bank_loss(
    name: str, codes: Tensor, labels: Tensor, bank: BankRows, *, penalty: float = 0.1, similar_probability: float | None = None
) -> Tensor:  # fmt: skip
    r"""Return the loss of all pairs of a batch with a bank; the gradient reaches the codes of the batch only.

    .. math:: \frac{1}{BN} \sum_{ij} w_{ij}\, \ell(u_i, m_j) + \lambda\, q(U)

    Weighted, similar and dissimilar pairs count the same: :math:`w_{ij} = s_{ij} / p + (1 - s_{ij}) / (1 - p)`. Without it a network
    trained from scratch is prone to give all images one code.

    No array is larger than B × N: distances come from one matrix product.

    Args:
        name: an entry of ``BANK_LOSSES``.
        codes: U, as the loss relaxes them, (B, K).
        labels: 0 or 1, (B, C).
        bank: rows of a memory bank in which the batch was written.
        penalty: λ.
        similar_probability: p, share of similar pairs in the training set, strictly between 0 and 1; None for no weights.

    Raises:
        UnknownNameError: for an unknown loss.
        UsageError: for an impossible p.

    Example:
        >>> rows = BankRows(torch.tensor([[1.0, 1.0], [-1.0, -1.0]]), torch.eye(2))
        >>> round(bank_loss("DPSH", rows.codes[:1], rows.labels[:1], rows).item(), 4)  # log(1 + exp(-1)) twice over 2
        0.3133
    """
    rows = bank._replace(codes=bank.codes.detach().to(codes.dtype))
    terms = BANK_LOSSES[name](codes, labels, rows)
    if similar_probability is None:
        return rows.mean(terms.pairs) + penalty * terms.penalty
    if not 0 < similar_probability < 1:
        raise UsageError(f"similar_probability={similar_probability} cannot weigh pairs: it must lie strictly between 0 and 1")
    weights = weigh(similarity(labels, rows.labels, codes.dtype), side_weights(similar_probability))
    return rows.mean(weights * terms.pairs) + penalty * terms.penalty


@BANK_LOSSES.register("DPSH")
def dpsh(codes: Tensor, labels: Tensor, bank: BankRows) -> Terms:
    r"""Return :math:`\log(1 + e^t) - s t` with :math:`t = \langle u, m \rangle / 2`, and the mean of :math:`(u - b(u))^2`."""
    return Terms(_likelihood(codes, labels, bank), (codes.abs() - 1).square().mean())


@BANK_LOSSES.register("DHN")
def dhn(codes: Tensor, labels: Tensor, bank: BankRows) -> Terms:
    r"""Return the pairs of DPSH, and the mean of :math:`\log \cosh(|u| - 1)`."""
    missing = codes.abs() - 1
    return Terms(_likelihood(codes, labels, bank), (torch.logaddexp(missing, -missing) - math.log(2)).mean())


@BANK_LOSSES.register("DBDH")
def dbdh(codes: Tensor, labels: Tensor, bank: BankRows) -> Terms:
    """Return the pairs of DPSH, and the mean square of the codes' means; codes are outputs clamped to [-1, 1]."""
    return Terms(_likelihood(codes, labels, bank), codes.mean(1).square().mean())


@BANK_LOSSES.register("DSH")
def dsh(codes: Tensor, labels: Tensor, bank: BankRows) -> Terms:
    r"""Return :math:`\frac12 [s d + (1 - s) \max(0, 2K - d)]` with :math:`d = \|u - m\|^2`, and the mean of :math:`||u| - 1|`."""
    similar = similarity(labels, bank.labels, codes.dtype)
    pairs = contrastive_loss(squared_distances(codes, bank.codes), similar, margin=2 * codes.shape[1])
    return Terms(pairs / 2, _corner_distance(codes))


@BANK_LOSSES.register("ISDH")
def isdh(codes: Tensor, labels: Tensor, bank: BankRows) -> Terms:
    r"""Return :math:`10 [\log(1 + e^t) - r t]` where the label cosine r is 0 or 1, else :math:`(r - \sigma(t))^2`; the penalty of DSH."""
    cosine, logits = label_cosine(labels, bank.labels, codes.dtype), codes @ bank.codes.T / 2
    return Terms(graded_loss(logits, cosine, squared_probability_error, hard_weight=10.0), _corner_distance(codes))


@BANK_LOSSES.register("IDHN")
def idhn(codes: Tensor, labels: Tensor, bank: BankRows) -> Terms:
    r"""Return :math:`\log(1 + e^t) - r t` where the label cosine r is 0 or 1, else :math:`0.1 (t + K - 2 r K)^2`; the penalty of DSH."""
    cosine, logits = label_cosine(labels, bank.labels, codes.dtype), codes @ bank.codes.T / 2
    soft = partial(squared_product_error, bits=codes.shape[1], scale=1.0, weight=0.1)
    return Terms(graded_loss(logits, cosine, soft, hard_weight=1.0), _corner_distance(codes))


def _likelihood(codes: Tensor, labels: Tensor, bank: BankRows) -> Tensor:
    return logistic_loss(codes @ bank.codes.T / 2, similarity(labels, bank.labels, codes.dtype))


def _corner_distance(codes: Tensor) -> Tensor:
    return (codes.abs() - 1).abs().mean()
