"""IDHN: graded similarity of images with several classes, as a share of the bits."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import Tensor

from ..codes.pairs import graded_loss, label_cosine, squared_product_error
from ._base import LOSSES
from ._keywords import number
from ._soft_pairs import SoftsignLoss


@LOSSES.register("IDHN", bank="optional")
class IDHN(SoftsignLoss):
    r"""Pairs with all classes in common or none are classified; the others should agree in their share of the bits.

    .. math:: L = \frac{1}{B^2} \sum_{ij} \begin{cases}
        \log(1 + e^{t_{ij}}) - s_{ij} t_{ij} & s_{ij} > 0.99 \text{ or } s_{ij} < 0.01 \\
        \gamma \left( \beta \langle z_i, z_j \rangle + K - 2 s_{ij} K \right)^2 & \text{otherwise} \end{cases}
        \;+\; \frac{\lambda}{BK} \sum_{ik} \bigl|\, |z_{ik}| - 1 \bigr|

    .. math:: Z = \frac{F}{1 + |F|}, \quad t_{ij} = \alpha \langle z_i, z_j \rangle, \quad s_{ij} = \cos(y_i, y_j)

    Codes of ±1 that agree in a share s of the bits have the inner product :math:`(2s - 1) K`. By default β = α, as in the
    code most results come from; it then cannot be reached for s near 0 or 1. The authors' own code has α = 5/K, β = 1 and
    γ = 1/(40 K).

    References:
        Improved Deep Hashing with Soft Pairwise Similarity for Multi-label Image Retrieval (Zhang, Zou, Lin, Chen, Wang;
        IEEE Transactions on Multimedia 2019).

    Args:
        alpha: α, factor of the inner products.
        beta: β, their factor where a pair has some classes in common; by default α.
        gamma: γ, weight of such a pair.
        **shared: see :class:`HashingLoss`; ``cube=False`` is refused, and the authors' ``penalty`` is 0.1.

    Raises:
        UsageError: if a value is unknown or impossible.

    Example:
        >>> import torch
        >>> loss = IDHN(bits=2, classes=4, train_size=2, similar_probability=1.0, penalty=0.0, alpha=1e-9)
        >>> labels = torch.tensor([[1, 1, 1, 1], [1, 0, 0, 0]])  # s = 1/2: half the bits should agree, and they do
        >>> round(loss(torch.tensor([[3.0, 0.0], [0.0, 3.0]]), labels, torch.arange(2)).item(), 4)  # t = 0: two of four have log 2
        0.3466
    """

    def __init__(self, *, alpha: float = 0.5, beta: float | None = None, gamma: float = 0.1, **shared: Any) -> None:
        super().__init__(**shared)
        self.alpha = number("alpha", alpha, above=0.0)
        self.beta = self.alpha if beta is None else number("beta", beta, above=0.0)
        self.gamma = number("gamma", gamma, least=0.0)

    def objective(self, codes: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Return the loss of codes (B, K), labels (B, C) and indices (B,)."""
        rows = self.compared(codes, labels, index)
        cosine = label_cosine(labels, rows.labels, codes.dtype)
        logits = self.alpha * (codes @ rows.codes.T)
        soft = partial(squared_product_error, bits=self.bits, scale=self.beta / self.alpha, weight=self.gamma)
        return rows.mean(graded_loss(logits, cosine, soft, hard_weight=1.0)) + self.corner_distance(codes)
