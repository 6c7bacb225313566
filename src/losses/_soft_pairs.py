"""What losses share that grade the similarity of images with several classes."""

from __future__ import annotations

import torch
from torch import Tensor

from ._base import HashingLoss


def label_cosines(labels: Tensor, dtype: torch.dtype) -> Tensor:
    r"""Return how far the classes of two rows agree.

    .. math:: s_{ij} = \frac{\langle y_i, y_j \rangle}{\|y_i\| \|y_j\|}

    Exactly 1 for the same classes and exactly 0 without a common one; a row without any class has 0, with itself included.

    Args:
        labels: classes of each row, 0 or 1 of any type, (B, C).
        dtype: type of the result; that of the codes, so that float64 stays float64.

    Returns:
        (B, B) within [0, 1].

    Example:
        >>> label_cosines(torch.tensor([[1, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]]), torch.float32).tolist()
        [[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 0.0]]
    """
    present = labels.to(dtype)
    common = present @ present.T
    counts = common.diagonal()  # whole numbers, so that the root of n·n is n to the last bit
    return common / (counts[:, None] * counts[None, :]).sqrt().clamp_min(1)


def hard_pairs(similar: Tensor) -> Tensor:
    """Return which pairs have all classes in common or none, up to 0.01, from their graded similarity (B, B).

    Example:
        >>> hard_pairs(torch.tensor([0.0, 0.5, 1.0])).tolist()
        [True, False, True]
    """
    return (similar > 0.99) | (similar < 0.01)


class SoftsignLoss(HashingLoss):
    """A loss whose codes are :math:`z = f / (1 + |f|)`, with the mean distance of their entries to ±1 for a penalty."""

    own_relaxation = "f / (1 + |f|)"
    fixed_axes = "it bends every entry by f / (1 + |f|)"

    def relax(self, outputs: Tensor) -> Tensor:
        """Return the codes F / (1 + |F|) of raw outputs F (B, K)."""
        return outputs / (1 + outputs.abs())

    def corner_distance(self, codes: Tensor) -> Tensor:
        """Return the penalty of codes (B, K), a scalar."""
        return self.penalty * (codes.abs() - 1).abs().mean()
