"""What losses without labels share: codes of pairs of images should be as alike as features that do not learn."""

from __future__ import annotations

from torch import Tensor

from ._base import HashingLoss
from ._pairs import unit_rows


def halves_cosines(rows: Tensor) -> Tensor:
    r"""Return the cosines between the first half of the rows and the second.

    .. math:: c_i = \cos(x_i, x_{i + h}), \quad h = \lfloor B/2 \rfloor

    The last of an odd number of rows has no partner.

    Args:
        rows: (B, D).

    Returns:
        (h,); 0 where one of the rows is zero.

    Example:
        >>> import torch
        >>> halves_cosines(torch.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0], [5.0, 0.0], [1.0, 1.0]])).tolist()
        [1.0, 0.0]
    """
    half = len(rows) // 2
    units, _ = unit_rows(rows[: 2 * half])
    return (units[:half] * units[half:]).sum(1)


class Unsupervised(HashingLoss):
    """A loss that asks codes of pairs of images for the cosines of their reference features."""

    needs_reference = True

    def objective(self, codes: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Return the mean squared difference of cosines for codes (B, K) and indices (B,); 0 for a batch of one.

        The labels (B, C) are not looked at.
        """
        features = self.reference[index].to(codes.dtype)
        differences = halves_cosines(codes) - halves_cosines(features)
        return differences.square().sum() / max(1, len(differences))
