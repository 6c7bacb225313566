"""QSMIH: the information that the directions of the codes have about the classes."""

from __future__ import annotations

from torch import Tensor

from ._base import LOSSES, HashingLoss
from ._pairs import cosine_distances, similarity, unit_rows


@LOSSES.register("QSMIH")
class QSMIH(HashingLoss):
    r"""Similar codes should be as alike as can be, against a background of all pairs as little alike as can be.

    .. math:: L = \frac{1}{B^2} \sum_{ij} \left[ (s_{ij}\, g_{ij} - 1)^2 + \frac{g_{ij}^2}{M} \right]
        + \frac{\lambda}{BK} \sum_{ik} \bigl|\, |z_{ik}| - 1 \bigr|, \quad
        g_{ij} = \frac{1 + \cos(z_i, z_j)}{2}, \quad \frac{1}{M} = \frac{1}{B^2} \sum_{ij} s_{ij}

    Quadratic mutual information is the likeness of pairs that serve one need for information, less the likeness of all
    pairs times the chance 1/M that two images serve one: M equally frequent needs, here counted from the batch. Both
    terms are squared against their ideal, so that no pair is driven beyond it. A batch without similar pairs has 1/M = 0.

    References:
        Deep Supervised Hashing leveraging Quadratic Spherical Mutual Information for Content-based Image Retrieval
        (Passalis, Tefas; arXiv 2019).

    Args:
        **shared: see :class:`HashingLoss`; ``penalty`` is 0.01 or 0.001 in published code, over a mean or a sum of all entries.

    Raises:
        UsageError: if a value is unknown or impossible.

    Example:
        >>> import torch
        >>> loss = QSMIH(bits=2, classes=2, train_size=2, similar_probability=0.5, penalty=0.0)
        >>> outputs, labels = torch.tensor([[1.0, 1.0], [-1.0, -1.0]]), torch.eye(2)
        >>> loss(outputs, labels, torch.arange(2)).item()  # two of four pairs are dissimilar: 1 each; g²/M = 1/2 for the others
        0.75
    """

    def objective(self, codes: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Return the loss of codes (B, K), labels (B, C) and indices (B,)."""
        similar = similarity(labels, codes.dtype)
        likeness = 1 - cosine_distances(*unit_rows(codes)) / 2
        within, between = (similar * likeness - 1).square(), similar.mean() * likeness.square()
        return (within + between).mean() + self.penalty * (codes.abs() - 1).abs().mean()
