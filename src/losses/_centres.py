"""Centres: a code for each class that its images are drawn to, and what an image of several classes, or none, is drawn to."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn
from torch.nn.functional import pdist

CANDIDATES = 128  # random rows of which each sampled centre is the best


class Targets(nn.Module):
    r"""The code that each image is drawn to: its class's centre; for several classes, bit by bit what most of their centres have.

    .. math:: t_i = \operatorname{sgn} \sum_c y_{ic} h_c

    Where the centres are even, and for an image without a class, the bits are those of one random vector drawn at the start.
    Centres and random vector are part of the state.

    Args:
        centres: h, a code of ±1 for each class, (C, K).

    Example:
        >>> targets = Targets(torch.tensor([[1.0, 1.0], [1.0, -1.0]]))
        >>> chosen = targets(torch.tensor([[0, 1], [1, 1], [0, 0]]), torch.float32)
        >>> chosen[0].tolist(), chosen[1, 0].item(), bool(chosen[1, 1] == chosen[2, 1] == targets.ties[1])
        ([1.0, -1.0], 1.0, True)
    """

    centres: Tensor
    ties: Tensor

    def __init__(self, centres: Tensor) -> None:
        super().__init__()
        self.register_buffer("centres", centres)
        self.register_buffer("ties", random_codes(1, centres.shape[1])[0])

    def forward(self, labels: Tensor, dtype: torch.dtype) -> Tensor:
        """Return the targets (B, K) of labels (B, C), of ±1 in the given type."""
        sums = labels.to(dtype) @ self.centres.to(dtype)
        return torch.where(sums == 0, self.ties.to(dtype), sums.sign())


def class_centres(classes: int, bits: int) -> Tensor:
    r"""Return a code for each class, any two of them far apart.

    Where K is a power of two and C at most 2K, class c has row c of :math:`\begin{bmatrix} H \\ -H \end{bmatrix}` with the
    Hadamard matrix H of Sylvester: two rows differ in K/2 bits, or in all. Otherwise one centre after the other is sampled: of
    many random rows with as many -1 as +1 (one more of either, by chance, where K is odd) it is the one farthest from its
    nearest predecessor and, among those, from all predecessors on average.

    Any two should differ in more than K/4 bits, and in K/2 on average; a warning tells where sampling did not get there.

    Args:
        classes: C.
        bits: K.

    Returns:
        (C, K) of ±1.

    Example:
        >>> class_centres(3, 2).tolist()
        [[1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]]
        >>> class_centres(5, 12).sum(1).tolist()
        [0.0, 0.0, 0.0, 0.0, 0.0]
    """
    if bits & (bits - 1) == 0 and classes <= 2 * bits:
        rows = _hadamard(bits)
        return torch.cat([rows, -rows])[:classes].clone()
    centres = _sampled(classes, bits)
    if classes > 1:
        distances = pdist(centres, p=0)
        least, mean = distances.min().item(), distances.mean(dtype=torch.float64).item()
        if least <= bits / 4 or mean < bits / 2:
            warnings.warn(
                f"the centres of {classes} classes in {bits} bits differ in as few as {least:g} bits, {mean:.1f} on average; "
                f"more than {bits / 4:g} and at least {bits / 2:g} are needed: more bits would tell the classes apart better",
                stacklevel=3,  # the line that builds the loss
            )
    return centres


def random_codes(rows: int, bits: int, probability: float = 0.5) -> Tensor:
    """Return random codes (rows, bits) of ±1, each bit +1 with a probability.

    Example:
        >>> random_codes(2, 3, probability=1.0).tolist()
        [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
    """
    return torch.where(torch.rand(rows, bits) < probability, 1.0, -1.0)


def _hadamard(order: int) -> Tensor:
    rows = torch.ones(1, 1)
    while len(rows) < order:
        rows = torch.cat([torch.cat([rows, rows], 1), torch.cat([rows, -rows], 1)])
    return rows


def _sampled(classes: int, bits: int) -> Tensor:
    centres = _balanced(1, bits)
    while len(centres) < classes:
        candidates = _balanced(CANDIDATES, bits)
        products = candidates @ centres.T  # K - 2 distance
        # The mean over K is within ±1 and halved here, products are 2 apart: it decides between equals alone.
        best = (products.amax(1) + products.mean(1) / (2 * bits)).argmin()
        centres = torch.cat([centres, candidates[best, None]])
    return centres


def _balanced(rows: int, bits: int) -> Tensor:
    minus = (bits + torch.randint(2, (rows, 1))) // 2  # half, the coin deciding where that is not whole
    return torch.where(torch.rand(rows, bits).argsort(1) < minus, -1.0, 1.0)
