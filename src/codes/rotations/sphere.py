"""Features on the sphere that passes through the corners of the cube."""

from __future__ import annotations

import torch
from torch import Tensor

from ...errors import BioDeepHashingError, UsageError


def finite_rows(features: Tensor) -> Tensor:
    """Return features in float32 or wider.

    Args:
        features: (n, K), of any float type.

    Raises:
        BioDeepHashingError: for another shape, no row at all, or a value that is not finite; names the first such row.
    """
    if features.ndim != 2 or not features.numel():
        raise BioDeepHashingError(f"features must be a matrix (images, bits) with entries, not of shape {tuple(features.shape)}")
    bad = (~features.isfinite().all(dim=1)).nonzero()
    if len(bad):
        raise BioDeepHashingError(f"row {bad[0].item()} of the features holds NaN or infinity: it cannot be rotated")
    return features.float() if torch.finfo(features.dtype).bits < 32 else features


def learnable_rows(features: Tensor) -> Tensor:
    """Return features as :func:`finite_rows` does, if there is a rotation to learn for them.

    Raises:
        UsageError: for codes of one bit.
    """
    features = finite_rows(features)
    if features.shape[1] == 1:
        raise UsageError("codes of one bit have no other rotation than a change of sign: there is nothing to learn")
    return features


def zero_rows(features: Tensor) -> list[int]:
    """Return the numbers of the rows that are zero: they have no direction, and no rotation gives them one.

    Example:
        >>> zero_rows(torch.tensor([[0.0, 0.0], [0.0, 1.0]]))
        [0]
    """
    return [int(row) for row in (~features.bool().any(dim=1)).nonzero()]


def to_sphere(features: Tensor) -> Tensor:
    r"""Return each row with the norm of a code of ±1.

    .. math:: x_i = \sqrt{K}\, f_i / \|f_i\|

    A zero row stays zero. Neither the largest nor the smallest finite values overflow or vanish.

    Args:
        features: F, (n, K).

    Raises:
        BioDeepHashingError: for a value that is not finite; names the row.

    Example:
        >>> to_sphere(torch.tensor([[0.0, -3.0], [0.0, 0.0]])).tolist()
        [[0.0, -1.4142135381698608], [0.0, 0.0]]
    """
    features = finite_rows(features)
    largest = features.abs().amax(dim=1, keepdim=True)
    rows = features / torch.where(largest > 0, largest, 1.0)  # the squares of what is left neither overflow nor all vanish
    lengths = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    return rows * (features.shape[1] ** 0.5 / torch.where(lengths > 0, lengths, 1.0))
