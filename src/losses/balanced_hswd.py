"""balanced_HSWD: the distance between the distribution of each bit and a perfectly balanced one."""

from __future__ import annotations

import torch
from torch import Tensor

from ._base import PENALTIES, Penalty


@PENALTIES.register("balanced_HSWD", help="weight of the same distance to exactly as many +1 as -1, without noise", before="freeze")
class BalancedHSWD(Penalty):
    r"""HSWD without the dice: each bit is compared with as many +1 as -1, which has the same aim and no noise of its own.

    .. math:: P = \frac{1}{BK} \sum_k \sum_r \left( T_{(r)} - z_{(r)k} \right)^2, \quad
        T_{(r)} = -1 \text{ in the lower half}, \; +1 \text{ in the upper}

    where (r) is the r-th smallest value of a column. The middle value of an odd batch is compared with the nearer of the
    two, :math:`(|z| - 1)^2`, so that flipping a bit changes nothing.

    References:
        One Loss for Quantization: Deep Hashing with Discrete Wasserstein Distributional Matching (Doan, Yang, Li; CVPR 2022),
        whose noise the halves replace.

    Example:
        >>> import torch
        >>> BalancedHSWD()(torch.tensor([[3.0], [-1.0], [1.0], [0.0]])).item()  # (-1 + 1)², (0 + 1)², (1 - 1)², (3 - 1)²
        1.25
    """

    def value(self, codes: Tensor) -> Tensor:
        """Return the penalty of codes (B, K)."""
        ordered, half = codes.sort(dim=0).values, len(codes) // 2
        lower, middle, upper = ordered.split([half, len(codes) - 2 * half, half])
        return torch.cat([lower + 1, middle.abs() - 1, upper - 1]).square().mean()
