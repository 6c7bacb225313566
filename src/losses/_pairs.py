"""What losses of a batch with itself share: similarity, cosines without trouble at zero, distances to the signs."""

from __future__ import annotations

import torch
from torch import Tensor

from ..codes import pairs

SHORTEST = 1e-8  # a row below this length has no direction


def similarity(labels: Tensor, dtype: torch.dtype) -> Tensor:
    """Return which rows of a batch share a class, (B, B) of 0 and 1: see :func:`biodeephashing.codes.pairs.similarity`.

    Example:
        >>> similarity(torch.tensor([[1, 0], [1, 1], [0, 0]]), torch.float32).tolist()
        [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    """
    return pairs.similarity(labels, labels, dtype)


def unit_rows(codes: Tensor) -> tuple[Tensor, Tensor]:
    r"""Return each row scaled to length 1, and which rows have a direction at all.

    .. math:: u_i = z_i / \max(\|z_i\|, 10^{-8})

    The slope of that formula at a zero row is :math:`10^8`, which would wreck the weights (and overflow in half
    precision), so a row without direction is taken as constant: it passes no gradient.

    Args:
        codes: (B, K).

    Returns:
        Unit rows (B, K) and a mask (B,) of the rows longer than 1e-8.

    Example:
        >>> units, alive = unit_rows(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
        >>> alive.tolist(), [round(u, 4) for u in units[0].tolist()]
        ([True, False], [0.6, 0.8])
    """
    length = torch.linalg.vector_norm(codes, dim=1, keepdim=True)
    alive = length > SHORTEST
    units = torch.where(alive, codes / length.clamp_min(SHORTEST), codes.detach() / SHORTEST)
    return units, alive.squeeze(1)


def cosine_distances(units: Tensor, alive: Tensor) -> Tensor:
    r"""Return one minus the cosine of all pairs of rows.

    .. math:: 1 - \cos(z_i, z_j) = \tfrac12 \|u_i - u_j\|^2 \quad \text{for unit rows } u

    The form on the right is exactly 0, with gradient exactly 0, for a row with itself: rounding never reaches the
    logarithms that are taken of it.

    Args:
        units: rows as :func:`unit_rows` returns them, (B, K).
        alive: the rows that have a direction, (B,).

    Returns:
        (B, B) within [0, 2] up to rounding; 1 wherever one of the rows is zero.

    Example:
        >>> cosine_distances(*unit_rows(torch.tensor([[2.0, 0.0], [0.0, 5.0], [0.0, 0.0]]))).tolist()
        [[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 1.0]]
    """
    chords = pairs.squared_distances(units) / 2
    squares = units.detach().square().sum(1)
    missing = torch.where(alive, torch.zeros_like(squares), (1 - squares) / 2)  # what a dead row lacks to length 1
    return chords + missing[:, None] + missing[None, :]


def sign_distances(codes: Tensor) -> Tensor:
    r"""Return how far each row is from its own signs.

    .. math:: q_i = \sum_k (z_{ik} - \operatorname{sgn} z_{ik})^2, \quad \operatorname{sgn} 0 = 0

    Args:
        codes: (B, K).

    Returns:
        (B,).

    Example:
        >>> sign_distances(torch.tensor([[0.5, -2.0, 0.0]])).tolist()
        [1.25]
    """
    return (codes - codes.detach().sign()).square().sum(1)
