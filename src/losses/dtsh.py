"""DTSH: the likelihood of triplets."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from ._base import LOSSES, HashingLoss
from ._keywords import number
from ._pairs import sign_distances, similarity

LOWEST, HIGHEST = -100.0, 50.0  # a triplet beyond is as wrong, or as right, as it can count
LARGEST = 1 << 21  # triplets looked at together: the anchors are taken in chunks of no more


@LOSSES.register("DTSH")
class DTSH(HashingLoss):
    r"""Each image should be closer, by a margin, to the images it shares a class with than to the others.

    .. math:: L = \operatorname{mean}_a \operatorname{mean}_{p, n} \log(1 + e^{-x_{apn}})
        + \frac{\lambda}{B} \sum_i \|z_i - \operatorname{sgn} z_i\|^2

    .. math:: x_{apn} = \operatorname{clamp}(t_{ap} - t_{an} - m, -100, 50), \quad t_{ij} = c \langle z_i, z_j \rangle

    The inner mean runs over the other images of the batch: p shares a class with the anchor a, n does not. An image is
    neither p nor n of itself, since its likeness to itself says nothing. The outer mean runs over the anchors that have
    both; without any such anchor the term is 0. The anchors are taken in chunks, so that memory stays far below B³.

    References:
        Deep Supervised Hashing with Triplet Labels (Wang, Shi, Kitani; ACCV 2016).

    Args:
        inner_product_scale: c; 0.5 as in the paper, 1.0 for results of code that leaves the half out.
        margin: m; by default K/2 as in the paper, 5.0 for results of that code.
        **shared: see :class:`HashingLoss`; that code has 1/K for ``penalty``.

    Raises:
        UsageError: if a value is unknown or impossible.

    Example:
        >>> import torch
        >>> loss = DTSH(bits=2, classes=2, train_size=3, similar_probability=0.5, penalty=0.0, cube=False)
        >>> codes, labels = torch.tensor([[1.0, 1.0], [1.0, 1.0], [1.0, -1.0]]), torch.eye(2)[[0, 0, 1]]
        >>> round(loss(codes, labels, torch.arange(3)).item(), 4)  # two anchors, each with x = 1 - 0 - 1: log 2
        0.6931
    """

    def __init__(self, *, inner_product_scale: float = 0.5, margin: float | None = None, **shared: Any) -> None:
        super().__init__(**shared)
        self.inner_product_scale = number("inner_product_scale", inner_product_scale, above=0.0)
        self.margin = self.bits / 2 if margin is None else number("margin", margin, least=0.0)

    def objective(self, codes: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Return the loss of codes (B, K), labels (B, C) and indices (B,)."""
        similar = similarity(labels, codes.dtype)
        others = 1 - torch.eye(len(codes), dtype=codes.dtype, device=codes.device)
        logits = self.inner_product_scale * (codes @ codes.T)
        triplets: Tensor = _Triplets.apply(logits, similar * others, (1 - similar) * others, self.margin)
        return triplets + self.penalty * sign_distances(codes).mean()


class _Triplets(torch.autograd.Function):
    """The mean over anchors. Its slope is found along with the value: nothing of the size of a chunk is kept for later."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, positive: Tensor, negative: Tensor, margin: float) -> Tensor:
        pairs = positive.sum(1) * negative.sum(1)
        weights = (pairs > 0) / (pairs.clamp_min(1) * (pairs > 0).sum().clamp_min(1))
        value, slopes = logits.new_zeros(()), []
        step = max(1, LARGEST // logits.numel())
        for start in range(0, len(logits), step):
            rows = slice(start, start + step)
            exact = logits[rows, :, None] - logits[rows, None, :] - margin
            chosen = positive[rows, :, None] * negative[rows, None, :] * weights[rows, None, None]
            clamped = exact.clamp(LOWEST, HIGHEST)
            value = value - (chosen * logsigmoid(clamped)).sum()
            slope = chosen * torch.sigmoid(-clamped) * (exact == clamped)
            slopes.append(slope.sum(1) - slope.sum(2))
        ctx.save_for_backward(torch.cat(slopes))
        return value

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (slopes,) = ctx.saved_tensors
        return gradients[0] * slopes, None, None, None
