"""DHN: the likelihood of pairwise labels, with a smooth pull towards ±1."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ._bank import BalancedLoss
from ._base import LOSSES
from ._keywords import number, truth


@LOSSES.register("DHN", bank="optional")
class DHN(BalancedLoss):
    r"""Inner products of codes are the logits of being similar, and each entry is drawn to ±1 by a smooth absolute value.

    .. math:: L = \frac{1}{B^2} \sum_{ij} w_{ij} \left[ \log(1 + e^{t_{ij}}) - s_{ij} t_{ij} \right]
        + \frac{\lambda}{B} \sum_{ik} \log\cosh(|z_{ik}| - 1), \quad t_{ij} = a \langle z_i, z_j \rangle

    With ``penalty=0`` it is the same as DPSH.

    References:
        Deep Hashing Network for Efficient Similarity Retrieval (Zhu, Long, Wang, Cao; AAAI 2016).

    Args:
        inner_product_scale: a; 0.5 as in the paper, 1.0 for results of code that leaves the half out.
        bracket_slip: take ``log cosh|z| − 1`` for ``log cosh(|z| − 1)``, for results of code with that slip of the bracket; it is least
            at 0, so that ``penalty`` then drives entries away from ±1.
        balance: weigh pairs by :math:`w_{ij}`, instead of 1, so that the few similar ones count as much as the others.
        **shared: see :class:`HashingLoss`; ``penalty`` was searched over 1e-5, 1e-3 and 0.1.

    Raises:
        UsageError: if a value is unknown or impossible.

    Example:
        >>> import torch
        >>> loss = DHN(bits=2, classes=1, train_size=1, similar_probability=0.0, penalty=1.0, cube=False)
        >>> round(loss(torch.zeros(1, 2), torch.zeros(1, 1), torch.arange(1)).item(), 4)  # log 2 + 2 log cosh 1
        1.5607
    """

    def __init__(self, *, inner_product_scale: float = 0.5, bracket_slip: bool = False, **shared: Any) -> None:
        super().__init__(**shared)
        self.inner_product_scale = number("inner_product_scale", inner_product_scale, above=0.0)
        self.bracket_slip = truth("bracket_slip", bracket_slip)

    def objective(self, codes: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Return the loss of codes (B, K), labels (B, C) and indices (B,)."""
        pairs = self.likelihood(codes, labels, index, self.inner_product_scale)
        sizes = codes.abs()
        quantisation = _log_cosh(sizes) - 1 if self.bracket_slip else _log_cosh(sizes - 1)
        return pairs + self.penalty * quantisation.sum(1).mean()


def _log_cosh(values: Tensor) -> Tensor:
    return torch.logaddexp(values, -values) - math.log(2)  # the cosh itself overflows from 90 on
