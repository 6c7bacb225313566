"""What pair losses share: similarity, pair weights, distances and a logistic loss that never overflow."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

SHORTEST = 1e-8  # a row below this length has no direction


def similarity(labels: Tensor, dtype: torch.dtype) -> Tensor:
    r"""Return which rows share a class.

    .. math:: s_{ij} = 1 \text{ if } \langle y_i, y_j \rangle > 0 \text{ else } 0

    A row without any class is similar to nothing, itself included.

    Args:
        labels: classes of each row, 0 or 1 of any type, (B, C).
        dtype: type of the result; that of the codes, so that float64 stays float64.

    Returns:
        (B, B) of 0 and 1.

    Example:
        >>> similarity(torch.tensor([[1, 0], [1, 1], [0, 0]]), torch.float32).tolist()
        [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    """
    present = labels.to(dtype)
    return (present @ present.T > 0).to(dtype)


def side_weights(probability: float) -> tuple[float, float]:
    r"""Return the weights that let similar and dissimilar pairs count the same over the training set.

    .. math:: w_{ij} = \frac{s_{ij}}{p} + \frac{1 - s_{ij}}{1 - p}

    A side that the training set does not have gets weight 0, with a warning.

    Args:
        probability: share p of similar pairs, see :func:`similar_probability`.

    Returns:
        The weight of a similar and of a dissimilar pair.

    Example:
        >>> side_weights(0.25)
        (4.0, 1.3333333333333333)
    """
    if probability in (0.0, 1.0):
        side = "similar" if probability == 0.0 else "dissimilar"
        warnings.warn(
            f"the training set has no {side} pairs (similar-pair probability {probability:g}): they get weight 0 in the loss",
            stacklevel=3,
        )
    return (1.0 / probability if probability > 0.0 else 0.0), (1.0 / (1.0 - probability) if probability < 1.0 else 0.0)


def weigh(similar: Tensor, weights: tuple[float, float]) -> Tensor:
    """Return the weight of each pair (B, B) from the similarity (B, B) and the weights of the two sides."""
    return similar * weights[0] + (1 - similar) * weights[1]


def squared_distances(codes: Tensor) -> Tensor:
    r"""Return all squared distances by one matrix product.

    .. math:: d_{ij} = \|z_i\|^2 + \|z_j\|^2 - 2 \langle z_i, z_j \rangle

    The squared lengths are read off the product's own diagonal, so a row is at distance 0 from itself exactly.

    Args:
        codes: (B, K).

    Returns:
        (B, B).

    Example:
        >>> squared_distances(torch.tensor([[1.0, 1.0], [1.0, -1.0]])).tolist()
        [[0.0, 4.0], [4.0, 0.0]]
    """
    products = codes @ codes.T
    squares = products.diagonal()
    return squares[:, None] + squares[None, :] - 2 * products


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
    chords = squared_distances(units) / 2
    squares = units.detach().square().sum(1)
    missing = torch.where(alive, torch.zeros_like(squares), (1 - squares) / 2)  # what a dead row lacks to length 1
    return chords + missing[:, None] + missing[None, :]


def logistic_loss(logits: Tensor, similar: Tensor) -> Tensor:
    r"""Return the negative log-likelihood of each pair's similarity.

    .. math:: \log(1 + e^{t}) - s\,t = \log(1 + e^{(1 - 2s)\,t})

    The right-hand side neither overflows nor cancels, whatever the size of t.

    Args:
        logits: t, (B, B).
        similar: s, 0 or 1, (B, B).

    Returns:
        (B, B), at least 0.

    Example:
        >>> logistic_loss(torch.tensor([-1e4, 1e4]), torch.tensor([1.0, 0.0])).tolist()
        [10000.0, 10000.0]
    """
    return -logsigmoid((2 * similar - 1) * logits)


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
