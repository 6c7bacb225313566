"""DSHSD: a linear classifier on the codes, and a contrastive loss beside it."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..codes.pairs import contrastive_loss, squared_distances
from ._base import LOSSES, HashingLoss
from ._classification import Head, classification_loss, probabilities
from ._keywords import number
from ._pairs import similarity


@LOSSES.register("DSHSD", classifies=True)
class DSHSD(HashingLoss):
    r"""A linear head has to tell the classes by the codes, and a contrastive loss spreads them.

    .. math:: L = \operatorname{CE}(W z, y)
        + \frac{\alpha}{B^2} \sum_{ij} \tfrac12 \left[ s_{ij} d_{ij} + (1 - s_{ij}) \max(0, m - d_{ij}) \right],
        \quad d_{ij} = \|z_i - z_j\|^2

    CE is the cross-entropy of a softmax where images have one class, and the sum over the classes' binary cross-entropies where
    they may have several. The head W is trained with the network. There is no penalty of its own: ``penalty`` is without effect.

    References:
        Deep Supervised Hashing Based on Stable Distribution (Wu, Ling, Li, Chen, Fang, Zou; IEEE Access 2019).

    Args:
        margin: m, squared distance from which dissimilar codes are left alone; by default 2K, half the codes' largest.
        contrast: α, weight of the contrastive loss.
        **shared: see :class:`HashingLoss`.

    Raises:
        UsageError: if a value is unknown or impossible.

    Example:
        >>> import torch
        >>> loss = DSHSD(bits=2, classes=2, train_size=2, similar_probability=0.5, penalty=0.0, cube=False)
        >>> torch.nn.init.zeros_(loss.head.weight).sum().item()
        0.0
        >>> codes, labels = torch.tensor([[1.0, 1.0], [1.0, 0.0]]), torch.eye(2)
        >>> round(loss(codes, labels, torch.arange(2)).item(), 4)  # log 2 + 0.05 * 0.75
        0.7306
    """

    has_penalty = False

    def __init__(self, *, margin: float | None = None, contrast: float = 0.05, **shared: Any) -> None:
        super().__init__(**shared)
        self.margin = 2.0 * self.bits if margin is None else number("margin", margin, above=0.0)
        self.contrast = number("contrast", contrast, least=0.0)
        self.head = Head(bits=self.bits, classes=self.classes)

    def objective(self, codes: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Return the loss of codes (B, K), labels (B, C) and indices (B,)."""
        pairs = contrastive_loss(squared_distances(codes), similarity(labels, codes.dtype), self.margin)
        classified = classification_loss(self.head(codes), labels, multi_label=self.multi_label)
        terms = self.classes if self.multi_label else 1  # summed over the classes, not their mean
        return terms * classified + self.contrast * pairs.mean() / 2

    def class_probabilities(self, features: Tensor) -> Tensor:
        """Return the probabilities (B, C) by the head for features (B, K)."""
        return probabilities(self.head(self.relax(features)), multi_label=self.multi_label)
