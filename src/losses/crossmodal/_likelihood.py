"""The likelihood of the similarities of a batch to all remembered items, with its gradient in closed form."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid


class _PairLikelihood(torch.autograd.Function):
    """The value and its gradient in one pass over the (B, n) array; the gradient alone is kept."""

    @staticmethod
    def forward(ctx: Any, codes: Tensor, remembered: Tensor, similar: Tensor) -> Tensor:
        sign = 1 - 2 * similar
        logits = sign * (codes @ remembered.T) / 2
        ctx.save_for_backward((sign * logits.sigmoid()) @ remembered / 2)
        return -logsigmoid(-logits).sum()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return slope * gradient, None, None


def pair_likelihood(codes: Tensor, remembered: Tensor, similar: Tensor) -> Tensor:
    r"""Return the negative log-likelihood of the similarities of a batch to remembered items.

    .. math:: \sum_{ij} \log(1 + e^{\theta_{ij}}) - s_{ij} \theta_{ij}, \quad \theta_{ij} = \tfrac12 \langle h_i, m_j \rangle

    Its gradient, :math:`\frac12 (\sigma(\Theta) - S) M`, reaches the batch only.

    Args:
        codes: h, (B, K).
        remembered: M, constant, (n, K).
        similar: S, 0 or 1, (B, n).

    Returns:
        A scalar, at least 0.

    Example:
        >>> pair_likelihood(torch.tensor([[1e3, 1e3]]), torch.ones(1, 2), torch.zeros(1, 1)).item()
        1000.0
    """
    value: Tensor = _PairLikelihood.apply(codes, remembered, similar)
    return value
