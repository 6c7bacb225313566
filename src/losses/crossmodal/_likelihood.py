"""The likelihood of the similarities of a batch to all remembered items, with its gradient in closed form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import softplus

from ...codes.pairs import STEEP, similarity

Relation: TypeAlias = Callable[[Tensor, Tensor, torch.dtype], Tensor]
BLOCK = 512  # remembered items at a time


class _PairLikelihood(torch.autograd.Function):
    """The value and its gradient in one go, block by block, so that the arrays of pairs stay in the processor's cache; none is kept.

    With the nearest whole number n of s, and signs z = (1 - 2 n) θ, the value is log(1 + e^z) + (n - s) θ, which neither overflows nor
    cancels.
    """

    @staticmethod
    def forward(ctx: Any, codes: Tensor, remembered: Tensor, labels: Tensor, others: Tensor, relation: Relation) -> Tensor:
        value, halves, graded = codes.new_zeros(()), codes / 2, relation is not similarity
        gradient = torch.zeros_like(codes, memory_format=torch.contiguous_format)  # read by rows, whatever the order of the levels
        for rows, row_labels in zip(remembered.split(BLOCK), others.split(BLOCK), strict=True):
            similar, logits = relation(labels, row_labels, codes.dtype), halves @ rows.T
            nearest = similar.round() if graded else similar
            rest = nearest - similar if graded else None
            if rest is not None:
                value += (rest * logits).sum()
            signs = nearest.mul_(-2).add_(1)
            value += softplus(logits.mul_(signs), threshold=STEEP).sum()
            slopes = logits.sigmoid_().mul_(signs)
            if rest is not None:
                slopes += rest
            gradient.view(-1, rows.shape[1]).addmm_(slopes.view(-1, len(rows)), rows, alpha=0.5)
        ctx.save_for_backward(gradient)
        return value

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return slope * gradient, None, None, None, None


def pair_likelihood(codes: Tensor, remembered: Tensor, labels: Tensor, others: Tensor, relation: Relation = similarity) -> Tensor:
    r"""Return the negative log-likelihood of the similarities of a batch to remembered items.

    .. math:: \sum_{ij} \log(1 + e^{\theta_{ij}}) - s_{ij} \theta_{ij}, \quad \theta_{ij} = \tfrac12 \langle h_i, m_j \rangle

    Its gradient, :math:`\frac12 (\sigma(\Theta) - S) M`, reaches the batch only.

    Args:
        codes: h, (B, K), or those of several levels, (L, B, K).
        remembered: M, constant, (n, K).
        labels: of the batch, (B, C).
        others: labels of the remembered items, (n, C).
        relation: returns s, within [0, 1], of labels (B, C), labels (n, C) and a type.

    Returns:
        A scalar, at least 0.

    Example:
        >>> pair_likelihood(torch.tensor([[1e3, 1e3]]), torch.ones(1, 2), torch.eye(2)[:1], torch.eye(2)[1:]).item()
        1000.0
    """
    value: Tensor = _PairLikelihood.apply(codes, remembered, labels, others, relation)
    return value
