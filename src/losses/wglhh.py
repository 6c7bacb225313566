"""WGLHH: a Gaussian of the Hamming distance, with more weight on pairs that are far from where they belong."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..codes.pairs import side_weights, weigh
from ._base import LOSSES, HashingLoss
from ._keywords import number
from ._pairs import cosine_distances, sign_distances, similarity, unit_rows


@LOSSES.register("WGLHH")
class WGLHH(HashingLoss):
    r"""Similarity falls off with the distance d as a Gaussian g, and each pair counts the more, the more its cosine errs.

    .. math:: L = \frac{1}{B^2} \sum_{ij} w_{ij} a_{ij} \left[ (1 - s_{ij})\, g_{ij}
        - s_{ij} \left( (1 + g_{ij}) \log(1 + g_{ij}) + x_{ij} g_{ij} \right) \right]
        + \frac{\lambda}{B} \sum_i \|z_i - \operatorname{sgn} z_i\|^2

    .. math:: g = e^{-x}, \quad x = \alpha d^2, \quad d_{ij} = K\, \tfrac{1 - \cos(z_i, z_j)}{2}, \quad
        a_{ij} = \exp\left| \tfrac{1 + \cos(z_i, z_j)}{2} - s_{ij} \right|, \quad
        w_{ij} = \tfrac{s_{ij}}{p} + \tfrac{1 - s_{ij}}{1 - p}

    The share of similar pairs is negative, :math:`-2 w \log 2` where they agree: a loss below 0 is nothing unusual. The weight a is
    part of the gradient.

    References:
        Weighted Gaussian Loss based Hamming Hashing (Tu, Mao, Kong, Shao, Li, Wei, Huang; ACM MM 2021).

    Args:
        alpha: α, how fast the Gaussian falls off with the squared distance in bits.
        **shared: see :class:`HashingLoss`; a good ``penalty`` is 0.001.

    Raises:
        UsageError: if a value is unknown or impossible.

    Example:
        >>> import torch
        >>> loss = WGLHH(bits=2, classes=1, train_size=1, similar_probability=1 / 2, penalty=0.0)
        >>> round(loss(torch.ones(1, 2), torch.ones(1, 1), torch.arange(1)).item(), 4)  # weight 2: -4 log 2
        -2.7726
    """

    def __init__(self, *, alpha: float = 0.1, **shared: Any) -> None:
        super().__init__(**shared)
        self.alpha = number("alpha", alpha, above=0.0)
        self.weights = side_weights(self.similar_probability)

    def objective(self, codes: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Return the loss of codes (B, K), labels (B, C) and indices (B,)."""
        similar = similarity(labels, codes.dtype)
        halves = cosine_distances(*unit_rows(codes)) / 2  # from 0 for the same direction to 1 for the opposite
        exponents = self.alpha * (self.bits * halves).square()
        gaussians = torch.exp(-exponents)
        near = -(1 + gaussians) * torch.log1p(gaussians) - exponents * gaussians
        pairs = torch.where(similar > 0, near * halves.exp(), gaussians * (1 - halves).exp())
        return (weigh(similar, self.weights) * pairs).mean() + self.penalty * sign_distances(codes).mean()
