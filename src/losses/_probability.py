"""The share of similar pairs of a training set, without a matrix over all pairs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..errors import DataError

BLOCK = 256  # label sets compared with all others at a time


def similar_probability(labels: Tensor | NDArray[np.generic]) -> float:
    r"""Return the share of similar pairs among all ordered pairs of a dataset, each row with itself included.

    .. math:: p = \frac{1}{N^2} \sum_{i,j} s_{ij}, \quad s_{ij} = 1 \text{ if rows } i, j \text{ share a class}

    Rows with the same labels are counted once, and compared a block at a time: the result is exact, and the memory does not grow
    with N². For one class per row it is :math:`\sum_c (N_c / N)^2`.

    Args:
        labels: classes of each row of the train fold, 0 or 1 of any type, (N, C).

    Raises:
        DataError: when there are no rows, no two dimensions, or values other than 0 and 1.

    Example:
        >>> similar_probability(np.array([[1, 0], [1, 0], [0, 1], [0, 0]]))  # (4 + 1 + 0) / 16
        0.3125
    """
    rows = _checked(labels.detach().cpu().numpy() if isinstance(labels, Tensor) else np.asarray(labels))
    sets, counts = _distinct(rows)
    return _count_similar(sets, counts) / len(rows) ** 2


def _checked(rows: NDArray[np.generic]) -> NDArray[np.bool_]:
    if rows.ndim != 2 or 0 in rows.shape:
        raise DataError(f"the similar-pair probability needs labels of shape (images, classes), not {rows.shape}")
    present = rows != 0
    if not np.array_equal(present, rows):
        raise DataError("the similar-pair probability needs labels of 0 and 1: the labels hold other values")
    return present


def _distinct(rows: NDArray[np.bool_]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the distinct rows (sets, C), and how often each occurs (sets,)."""
    packed = np.packbits(rows, axis=1)
    keys, counts = np.unique(packed.view(np.dtype((np.void, packed.shape[1]))), return_counts=True)
    return np.unpackbits(keys.view(np.uint8).reshape(len(keys), -1), axis=1, count=rows.shape[1]), counts


def _count_similar(sets: NDArray[np.uint8], counts: NDArray[np.int64]) -> int:
    """Return the number of ordered pairs of rows that share a class."""
    # Sums of counts are whole numbers of at most N, which float32 holds exactly up to 2**24.
    weights = counts.astype(np.float32 if counts.sum() < 2**24 else np.float64)
    labels = sets.astype(weights.dtype)
    total = 0
    for start in range(0, len(labels), BLOCK):
        own = slice(start, start + BLOCK)
        similar = labels[own] @ labels[start:].T
        np.minimum(similar, 1, out=similar)
        # The matrix is symmetric: pairs with the sets of later blocks count twice.
        partners = 2 * (similar @ weights[start:]) - similar[:, :BLOCK] @ weights[own]
        total += int(counts[own] @ partners.astype(np.int64))
    return total
