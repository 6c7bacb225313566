"""ITQ: codes and the rotation nearest to them, in turn."""

from __future__ import annotations

import torch
from torch import Tensor

from ...errors import UsageError
from ..signs import signs
from .rotation import Rotation
from .sphere import learnable_rows, to_sphere


def itq(rows: Tensor, start: Tensor, rounds: int = 50) -> tuple[Tensor, list[float]]:
    r"""Alternate between the codes of rotated rows and the rotation that brings the rows nearest to these codes.

    .. math:: T = b(V R), \qquad R = U A^T \text{ with } V^T T = U S A^T

    Each half lowers :math:`\|V R - T\|^2` or leaves it. Here a row is multiplied from the left: v becomes :math:`v R`. Scaling all
    rows by the same factor changes nothing.

    References:
        Iterative Quantization: A Procrustean Approach to Learning Binary Codes (Gong, Lazebnik, Gordo, Perronnin; TPAMI 2013).

    Args:
        rows: V, (n, K).
        start: the first R, orthogonal, (K, K).
        rounds: how often; 50 was published.

    Returns:
        R, (K, K) in float64, and the objective after each round.

    Raises:
        UsageError: for no round at all.

    Example:
        >>> rotation, objectives = itq(torch.tensor([[1.0, 0.0]]), torch.eye(2), rounds=2)
        >>> [round(value, 4) for value in objectives]  # the nearest a unit vector comes to a corner: (√2 − 1)²
        [0.1716, 0.1716]
    """
    if rounds < 1:
        raise UsageError(f"{rounds} rounds of ITQ are not possible: there must be at least 1")
    rows, rotation = rows.double(), start.double()
    objectives: list[float] = []
    for _ in range(rounds):
        codes = signs(rows @ rotation)
        left, _, right = torch.linalg.svd(rows.T @ codes)
        rotation = left @ right
        objectives.append((rows @ rotation - codes).square().sum().item())
    return rotation, objectives


def random_rotation(bits: int, generator: torch.Generator) -> Tensor:
    r"""Return an orthogonal matrix in which no direction is preferred (Haar's measure), (K, K) in float64.

    Example:
        >>> turn = random_rotation(3, torch.Generator().manual_seed(0))
        >>> torch.allclose(turn @ turn.T, torch.eye(3, dtype=torch.float64))
        True
    """
    orthogonal, upper = torch.linalg.qr(torch.randn(bits, bits, dtype=torch.float64, generator=generator))
    return orthogonal * upper.diagonal().sign()  # without the signs the result would depend on how the library decomposes


def learn_itq(
    train: Tensor, generator: torch.Generator, *, rounds: int = 50, centre: bool = False, normalise: bool = False
) -> Rotation:  # fmt: skip
    """Return ITQ's rotation from a random start.

    Rows are normalised after they are centred: in this order the codes are those of a linear layer, see :meth:`Rotation.fold`.

    Args:
        train: features to learn from, (n, K).
        generator: draws the start; on the CPU.
        rounds: see :func:`itq`.
        centre: take the mean of these features off first; the rotation then takes it off any others, too.
        normalise: bring rows to the sphere, so that long ones do not weigh more.

    Raises:
        BioDeepHashingError: for features that are not finite.
        UsageError: for codes of one bit.

    Example:
        >>> rows = torch.randn(50, 4, generator=torch.Generator().manual_seed(0)) + 3
        >>> rotation = learn_itq(rows, torch.Generator().manual_seed(0), centre=True)
        >>> bool(rotation.rotate(rows).mean(0).abs().max() < 1e-5)
        True
    """
    features = learnable_rows(train)
    rows = features.double()
    mean = rows.mean(dim=0) if centre else None
    rows = rows if mean is None else rows - mean
    start = random_rotation(rows.shape[1], generator).to(rows.device)
    rotation, objectives = itq(to_sphere(rows) if normalise else rows, start, rounds)
    return Rotation(
        rotation.T.to(features.dtype),
        mean=None if mean is None else mean.to(features.dtype),
        objectives=tuple(objectives),
    )
