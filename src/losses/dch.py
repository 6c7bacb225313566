"""DCH: a Cauchy cross-entropy that concentrates similar codes within a small Hamming radius."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ..codes.pairs import side_weights, weigh
from ._base import LOSSES, HashingLoss
from ._keywords import number
from ._pairs import cosine_distances, similarity, unit_rows

EDGE = 1e-5  # e: keeps the distance off 0, where the logarithm ends


@LOSSES.register("DCH")
class DCH(HashingLoss):
    r"""The probability of being similar falls off with the distance D as a Cauchy distribution, :math:`\gamma/(\gamma + D)`.

    .. math:: L = \frac{1}{B^2} \sum_{ij} w_{ij} \left[ s_{ij} \log\left(1 + \tfrac{D_{ij}}{\gamma}\right)
        + (1 - s_{ij}) \log\left(1 + \tfrac{\gamma}{D_{ij}}\right) \right]
        + \frac{\lambda}{B} \sum_i \log\left(1 + \tfrac{D(|z_i|, 1)}{\gamma}\right)

    .. math:: D(a, b) = K \left[ e + (1 - 2e)\, \tfrac{1 - \cos(a, b)}{2} \right], \quad e = 10^{-5}, \quad
        w_{ij} = \tfrac{s_{ij}}{p} + \tfrac{1 - s_{ij}}{1 - p}

    The value depends on the directions of the codes alone, not on their lengths.

    References:
        Deep Cauchy Hashing for Hamming Space Retrieval (Cao, Long, Liu, Wang; CVPR 2018).

    Args:
        gamma: γ, distance in bits at which similar and dissimilar are equally likely; the paper cross-validates it and
            finds values around 20.
        **shared: see :class:`HashingLoss`.

    Raises:
        UsageError: if a value is unknown or impossible.

    Example:
        >>> import torch
        >>> loss = DCH(bits=2, classes=2, train_size=2, similar_probability=0.5, penalty=0.0)
        >>> outputs, labels = torch.tensor([[1.0, 1.0], [1.0, -1.0]]), torch.eye(2)
        >>> round(loss(outputs, labels, torch.arange(2)).item(), 3)  # D = 1 twice, weight 2: log(1 + 10)
        2.398
    """

    def __init__(self, *, gamma: float = 10.0, **shared: Any) -> None:
        super().__init__(**shared)
        self.gamma = number("gamma", gamma, above=0.0)
        self.weights = side_weights(self.similar_probability)

    def objective(self, codes: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Return the loss of codes (B, K), labels (B, C) and indices (B,)."""
        similar = similarity(labels, codes.dtype)
        units, alive = unit_rows(codes)
        distances = self._in_bits(cosine_distances(units, alive))
        pairs = torch.where(similar > 0, torch.log1p(distances / self.gamma), torch.log1p(self.gamma / distances))
        to_corner = self._in_bits(1 - units.abs().sum(1) / math.sqrt(self.bits))
        return (weigh(similar, self.weights) * pairs).mean() + self.penalty * torch.log1p(to_corner / self.gamma).mean()

    def _in_bits(self, cosine_distance: Tensor) -> Tensor:
        return self.bits * (EDGE + (1 - 2 * EDGE) * cosine_distance / 2)
