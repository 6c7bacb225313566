"""HSWD: the distance between the distribution of each bit and a fair coin."""

from __future__ import annotations

import torch
from torch import Tensor

from ._base import PENALTIES, Penalty


@PENALTIES.register(
    "HSWD", help="weight of the sliced Wasserstein distance between outputs and balanced bits", named="always", before="no_cube"
)
class HSWD(Penalty):
    r"""The squared Wasserstein distance, bit by bit, between the batch's codes and fair ±1 noise drawn afresh each time.

    .. math:: P = \frac{1}{BK} \sum_k \sum_r \left( T_{(r)k} - z_{(r)k} \right)^2, \quad T_{ik} \sim \text{uniform on } \{-1, +1\}

    where (r) is the r-th smallest value of a column. It asks for balanced bits and for values near ±1 at once, so it is
    used with the raw outputs as codes (``cube=False``). The noise comes from the default generator of the codes' device.

    References:
        One Loss for Quantization: Deep Hashing with Discrete Wasserstein Distributional Matching (Doan, Yang, Li; CVPR 2022).

    Example:
        >>> import torch
        >>> codes = torch.tensor([[5.0], [5.0], [5.0]])
        >>> HSWD()(codes).item() >= 16  # 16 where the coin shows +1, 36 where it shows -1
        True
    """

    def value(self, codes: Tensor) -> Tensor:
        """Return the penalty of codes (B, K)."""
        coins = 2 * torch.randint(2, codes.shape, device=codes.device).to(codes.dtype) - 1
        return (coins.sort(dim=0).values - codes.sort(dim=0).values).square().mean()
