"""CEL: the cosine embedding loss over all pairs."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ._base import LOSSES, HashingLoss
from ._pairs import cosine_distances, similarity, unit_rows
from ._separation import separation


@LOSSES.register("CEL")
class CEL(HashingLoss):
    r"""Similar codes are turned into one direction, dissimilar ones apart as far as a good code can keep all classes.

    .. math:: L = \frac{1}{B^2} \sum_{ij} \left[ s_{ij} (1 - \cos(z_i, z_j)) + (1 - s_{ij}) \max(0, \cos(z_i, z_j) - \sigma) \right]

    .. math:: \sigma = 1 - \frac{2\, d(K, k)}{K}, \quad k = \max(1, \lceil \log_2 C \rceil)

    Here d(K, k) is the least distance between the words of a good linear code of K bits that has a word for each class. There is
    no penalty of its own: ``penalty`` is without effect. The value depends on the directions of the codes alone, not on their
    lengths.

    References:
        HyP² Loss: Beyond Hypersphere Metric Space for Multi-label Image Retrieval (Xu, Chai, Xu, Yuan, Fan, Wang; ACM MM 2022),
        for the cosine σ; the loss itself is the cosine embedding loss of many libraries.

    Args:
        **shared: see :class:`HashingLoss`; the bits must give every class a code of its own.

    Raises:
        UsageError: if a value is unknown or impossible.

    Example:
        >>> import torch
        >>> loss = CEL(bits=2, classes=2, train_size=2, similar_probability=0.5, penalty=0.0)
        >>> outputs = torch.tensor([[1.0, 1.0], [1.0, -1.0]])
        >>> round(loss(outputs, torch.eye(2), torch.arange(2)).item(), 4)  # σ = -1: twice 0 - (-1), over 4
        0.5
    """

    has_penalty = False

    def __init__(self, **shared: Any) -> None:
        super().__init__(**shared)
        self.separation = separation(self.bits, self.classes)

    def objective(self, codes: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Return the loss of codes (B, K), labels (B, C) and indices (B,)."""
        similar = similarity(labels, codes.dtype)
        distances = cosine_distances(*unit_rows(codes))
        apart = (1 - self.separation - distances).clamp_min(0)
        return (similar * distances + (1 - similar) * apart).mean()
