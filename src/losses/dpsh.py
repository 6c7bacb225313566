"""DPSH: the likelihood of pairwise labels."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ._bank import BalancedLoss
from ._base import LOSSES
from ._keywords import number
from ._pairs import sign_distances


@LOSSES.register("DPSH", bank="optional")
class DPSH(BalancedLoss):
    r"""Inner products of codes are the logits of being similar.

    .. math:: L = \frac{1}{B^2} \sum_{ij} w_{ij} \left[ \log(1 + e^{t_{ij}}) - s_{ij} t_{ij} \right]
        + \frac{\lambda}{B} \sum_i \|z_i - \operatorname{sgn} z_i\|^2, \quad t_{ij} = a \langle z_i, z_j \rangle

    References:
        Feature Learning based Deep Supervised Hashing with Pairwise Labels (Li, Wang, Kang; IJCAI 2016).

    Args:
        inner_product_scale: a; 0.5 as in the paper, 1.0 for results of code that leaves the half out.
        balance: weigh pairs by :math:`w_{ij}`, instead of 1, so that the few similar ones count as much as the others.
        **shared: see :class:`HashingLoss`; ``penalty`` was searched over 0.01, 0.1 and 1.

    Raises:
        UsageError: if a value is unknown or impossible.

    Example:
        >>> import torch
        >>> loss = DPSH(bits=2, classes=1, train_size=1, similar_probability=1.0, penalty=0.0, cube=False)
        >>> round(loss(torch.ones(1, 2), torch.ones(1, 1), torch.arange(1)).item(), 4)  # log(1 + exp(-1))
        0.3133
    """

    def __init__(self, *, inner_product_scale: float = 0.5, **shared: Any) -> None:
        super().__init__(**shared)
        self.inner_product_scale = number("inner_product_scale", inner_product_scale, above=0.0)

    def objective(self, codes: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Return the loss of codes (B, K), labels (B, C) and indices (B,)."""
        return self.likelihood(codes, labels, index, self.inner_product_scale) + self.penalty * sign_distances(codes).mean()
