"""L2: the distance of the codes to their own signs."""

from __future__ import annotations

from torch import Tensor

from ._base import PENALTIES, Penalty
from ._pairs import sign_distances


@PENALTIES.register("L2", help="weight of the L2 distance between outputs and their signs", named="always", before="HSWD_penalty")
class L2(Penalty):
    r"""The mean squared distance between relaxed codes and their signs; a zero has sign 0.

    .. math:: P = \frac{1}{B} \sum_i \|z_i - \operatorname{sgn} z_i\|^2

    References:
        Feature Learning based Deep Supervised Hashing with Pairwise Labels (Li, Wang, Kang; IJCAI 2016), whose penalty it is.

    Example:
        >>> import torch
        >>> L2()(torch.tensor([[0.5, -1.0], [2.0, 1.0]])).item()  # (0.25 + 1) / 2
        0.625
    """

    def value(self, codes: Tensor) -> Tensor:
        """Return the penalty of codes (B, K)."""
        return sign_distances(codes).mean()
