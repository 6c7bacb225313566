"""The likelihood of the similarities of a batch to all remembered items, with its gradient in closed form."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

from ...codes.pairs import STEEP, similarity

BLOCK = 512  # remembered items at a time


class _PairLikelihood(torch.autograd.Function):
    """The value and its gradient in one go, block by block, so that the arrays of pairs stay in the processor's cache; none is kept.

    With signs z = (1 - 2 s) θ the value is log(1 + e^z), which neither overflows nor cancels.
    """

    @staticmethod
    def forward(ctx: Any, codes: Tensor, remembered: Tensor, labels: Tensor, others: Tensor) -> Tensor:
        value, halves = codes.new_zeros(()), codes / 2
        gradient = torch.zeros_like(codes, memory_format=torch.contiguous_format)  # read by rows, whatever the order of the levels
        for rows, row_labels in zip(remembered.split(BLOCK), others.split(BLOCK), strict=True):
            signs = similarity(labels, row_labels, codes.dtype).mul_(-2).add_(1)
            logits = (halves @ rows.T).mul_(signs)
            value += softplus(logits, threshold=STEEP).sum()
            slopes = logits.sigmoid_().mul_(signs)
            gradient.view(-1, rows.shape[1]).addmm_(slopes.view(-1, len(rows)), rows, alpha=0.5)
        ctx.save_for_backward(gradient)
        return value

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return slope * gradient, None, None, None


def pair_likelihood(codes: Tensor, remembered: Tensor, labels: Tensor, others: Tensor) -> Tensor:
    r"""Return the negative log-likelihood of the similarities of a batch to remembered items.

    .. math:: \sum_{ij} \log(1 + e^{\theta_{ij}}) - s_{ij} \theta_{ij}, \quad \theta_{ij} = \tfrac12 \langle h_i, m_j \rangle

    Its gradient, :math:`\frac12 (\sigma(\Theta) - S) M`, reaches the batch only.

    Args:
        codes: h, (B, K), or those of several levels, (L, B, K).
        remembered: M, constant, (n, K).
        labels: of the batch, (B, C).
        others: labels of the remembered items, (n, C).

    Returns:
        A scalar, at least 0.

    Example:
        >>> pair_likelihood(torch.tensor([[1e3, 1e3]]), torch.ones(1, 2), torch.eye(2)[:1], torch.eye(2)[1:]).item()
        1000.0
    """
    value: Tensor = _PairLikelihood.apply(codes, remembered, labels, others)
    return value
