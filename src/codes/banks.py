"""A memory of the latest code of every training image, and pair losses of a batch with it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

from ..errors import UsageError
from ..registry import Registry


class BankRows(NamedTuple):
    """Codes (N, K) and labels (N, C) of the images that a batch is compared with."""

    codes: Tensor
    labels: Tensor


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
        >>> bank.rows().codes.tolist()
        [[1.0, 1.0], [0.5, -0.5]]
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
        if len(index) and not 0 <= int(index.min()) <= int(index.max()) < size:  # a negative one would count from the end
            raise UsageError(f"indices from {index.min()} to {index.max()}: the memory bank has 0 to {size - 1}")
        self.codes[index] = codes.detach().to(self.codes.dtype)
        self.written[index] = True

    def rows(self) -> BankRows:
        """Return what was ever written: a row of zeros would be no code of any image."""
        if self.written.all():
            return BankRows(self.codes, self.labels)
        return BankRows(self.codes[self.written], self.labels[self.written])


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
    rows = BankRows(bank.codes.detach().to(codes.dtype), bank.labels)
    terms = BANK_LOSSES[name](codes, labels, rows)
    if similar_probability is None:
        return terms.pairs.mean() + penalty * terms.penalty
    if not 0 < similar_probability < 1:
        raise UsageError(f"similar_probability={similar_probability} cannot weigh pairs: it must lie strictly between 0 and 1")
    similar = similarity(labels, rows.labels, codes.dtype)
    weights = similar / similar_probability + (1 - similar) / (1 - similar_probability)
    return (weights * terms.pairs).mean() + penalty * terms.penalty


def similarity(labels: Tensor, others: Tensor, dtype: torch.dtype) -> Tensor:
    """Return which rows share a class with which others, (B, N) of 0 and 1.

    Example:
        >>> similarity(torch.tensor([[1, 1]]), torch.tensor([[0, 1], [0, 0]]), torch.float32).tolist()
        [[1.0, 0.0]]
    """
    return (labels.to(dtype) @ others.to(dtype).T).clamp_(max=1)  # in place: a comparison and its conversion cost more than the product


def label_cosine(labels: Tensor, others: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the cosine of the labels of rows and others, (B, N); 0 for a row without a class.

    Example:
        >>> label_cosine(torch.tensor([[1, 1, 1, 1]]), torch.tensor([[0, 1, 0, 0], [0, 0, 0, 0]]), torch.float32).tolist()
        [[0.5, 0.0]]
    """
    labels, others = labels.to(dtype), others.to(dtype)
    counts = labels.sum(1)[:, None] * others.sum(1)[None, :]  # whole numbers, so that the root of n·n is n to the last bit
    return labels @ others.T / counts.sqrt().clamp_min(1)


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
    squares = codes.square().sum(1)[:, None] + bank.codes.square().sum(1)[None, :]
    distances = (squares - 2 * codes @ bank.codes.T).clamp_min(0)
    pairs = similar * distances + (1 - similar) * (2 * codes.shape[1] - distances).clamp_min(0)
    return Terms(pairs / 2, _corner_distance(codes))


@BANK_LOSSES.register("ISDH")
def isdh(codes: Tensor, labels: Tensor, bank: BankRows) -> Terms:
    r"""Return :math:`10 [\log(1 + e^t) - r t]` where the label cosine r is 0 or 1, else :math:`(r - \sigma(t))^2`; the penalty of DSH."""
    return _graded(codes, labels, bank, hard=10.0, soft=lambda logits, cosine: (cosine - logits.sigmoid()).square())


@BANK_LOSSES.register("IDHN")
def idhn(codes: Tensor, labels: Tensor, bank: BankRows) -> Terms:
    r"""Return :math:`\log(1 + e^t) - r t` where the label cosine r is 0 or 1, else :math:`0.1 (t + K - 2 r K)^2`; the penalty of DSH."""
    bits = codes.shape[1]
    return _graded(codes, labels, bank, hard=1.0, soft=lambda logits, cosine: 0.1 * (logits + bits - 2 * bits * cosine).square())


def _graded(codes: Tensor, labels: Tensor, bank: BankRows, *, hard: float, soft: Callable[[Tensor, Tensor], Tensor]) -> Terms:
    cosine = label_cosine(labels, bank.labels, codes.dtype)
    logits = codes @ bank.codes.T / 2
    classified = hard * binary_cross_entropy_with_logits(logits, cosine, reduction="none")
    pairs = torch.where((cosine > 0.99) | (cosine < 0.01), classified, soft(logits, cosine))
    return Terms(pairs, _corner_distance(codes))


def _likelihood(codes: Tensor, labels: Tensor, bank: BankRows) -> Tensor:
    signs = 2 * similarity(labels, bank.labels, codes.dtype) - 1
    return -logsigmoid(signs * (codes @ bank.codes.T) / 2)


def _corner_distance(codes: Tensor) -> Tensor:
    return (codes.abs() - 1).abs().mean()
