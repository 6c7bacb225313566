"""ISDH: graded similarity of images with several classes, as a probability."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..codes.pairs import graded_loss, label_cosine, squared_probability_error
from ._base import LOSSES
from ._keywords import number
from ._soft_pairs import SoftsignLoss


@LOSSES.register("ISDH", bank="optional")
class ISDH(SoftsignLoss):
    r"""Pairs with all classes in common or none are classified; the probability of the others should be their share.

    .. math:: L = \frac{1}{B^2} \sum_{ij} \begin{cases}
        \gamma \left[ \log(1 + e^{t_{ij}}) - s_{ij} t_{ij} \right] & s_{ij} > 0.99 \text{ or } s_{ij} < 0.01 \\
        (s_{ij} - \sigma(t_{ij}))^2 & \text{otherwise} \end{cases}
        \;+\; \frac{\lambda}{BK} \sum_{ik} \bigl|\, |z_{ik}| - 1 \bigr|

    .. math:: Z = \frac{F}{1 + |F|}, \quad t_{ij} = \alpha \langle z_i, z_j \rangle, \quad s_{ij} = \cos(y_i, y_j)

    References:
        Instance Similarity Deep Hashing for Multi-Label Image Retrieval (Zhang, Zou, Wang, Lin, Li; arXiv 2018).

    Args:
        alpha: α, factor of the inner products; the authors' own code has 5/K.
        gamma: γ, weight of a pair with all classes in common or none.
        **shared: see :class:`HashingLoss`; ``cube=False`` is refused, and the authors' ``penalty`` is 0.1.

    Raises:
        UsageError: if a value is unknown or impossible.

    Example:
        >>> import torch
        >>> loss = ISDH(bits=2, classes=4, train_size=2, similar_probability=1.0, penalty=0.0, gamma=0.0)
        >>> labels = torch.tensor([[1, 1, 1, 1], [1, 0, 0, 0]])  # s = 1/2
        >>> loss(torch.tensor([[3.0, 0.0], [0.0, 3.0]]), labels, torch.arange(2)).item()  # t = 0, probability 1/2
        0.0
    """

    def __init__(self, *, alpha: float = 0.5, gamma: float = 10.0, **shared: Any) -> None:
        super().__init__(**shared)
        self.alpha = number("alpha", alpha, above=0.0)
        self.gamma = number("gamma", gamma, least=0.0)

    def objective(self, codes: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Return the loss of codes (B, K), labels (B, C) and indices (B,)."""
        rows = self.compared(codes, labels, index)
        cosine = label_cosine(labels, rows.labels, codes.dtype)
        logits = self.alpha * (codes @ rows.codes.T)
        return rows.mean(graded_loss(logits, cosine, squared_probability_error, hard_weight=self.gamma)) + self.corner_distance(codes)
