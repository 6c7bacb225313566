"""The share of similar pairs of a training set, without a matrix over all pairs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..errors import DataError

ROWS, COLUMNS = 16, 4096  # label sets compared at a time: long inner loops that stay in the cache of one core


def similar_probability(labels: Tensor | NDArray[np.generic]) -> float:
    r"""Return the share of similar pairs among all ordered pairs of a data set, each row with itself included.

    .. math:: p = \frac{1}{N^2} \sum_{i,j} s_{ij}, \quad s_{ij} = 1 \text{ if rows } i, j \text{ share a class}

    Rows with the same set of classes are counted once and compared tile by tile, 64 classes to a word: the result is exact and the
    memory does not grow with N². For one class per row it is :math:`\sum_c (N_c / N)^2`.

    Args:
        labels: classes of each row of the train fold, 0 or 1 of any type, (N, C).

    Raises:
        DataError: when there are no rows, no two dimensions, or values other than 0 and 1.

    Example:
        >>> similar_probability(np.array([[1, 0], [1, 0], [0, 1], [0, 0]]))  # (4 + 1 + 0) / 16
        0.3125
    """
    rows = _checked(labels.detach().cpu().numpy() if isinstance(labels, Tensor) else np.asarray(labels))
    words, counts = _distinct(rows)
    return _count_similar(words, counts) / len(rows) ** 2


def _checked(rows: NDArray[np.generic]) -> NDArray[np.bool_]:
    if rows.ndim != 2 or 0 in rows.shape:
        raise DataError(f"the similar-pair probability needs labels of shape (images, classes), not {rows.shape}")
    present = rows != 0
    if not np.array_equal(present, rows):
        raise DataError("the similar-pair probability needs labels of 0 and 1: the labels hold other values")
    return present


def _distinct(rows: NDArray[np.bool_]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return the distinct non-empty label sets as bits (words, sets), and how often each occurs (sets,)."""
    packed = np.packbits(rows, axis=1)
    packed = np.pad(packed, ((0, 0), (0, -packed.shape[1] % 8)))
    keys = np.ascontiguousarray(packed).view(np.dtype((np.void, packed.shape[1]))).ravel()
    _, first, counts = np.unique(keys, return_index=True, return_counts=True)
    words = packed[first].view(np.uint64)
    filled = words.any(axis=1)
    return np.ascontiguousarray(words[filled].T), counts[filled].astype(np.int64)


def _count_similar(words: NDArray[np.uint64], counts: NDArray[np.int64]) -> int:
    """Return the number of ordered pairs of rows that share a class."""
    # Sums of counts are whole numbers of at most N, which float32 holds exactly up to 2**24.
    weights = counts.astype(np.float32 if counts.sum() < 2**24 else np.float64)
    sets = len(counts)
    total = 0
    for row in range(0, sets, ROWS):
        rows = slice(row, min(row + ROWS, sets))
        for column in range(row, sets, COLUMNS):
            columns = slice(column, min(column + COLUMNS, sets))
            similar = _share_a_bit(words[:, rows], words[:, columns]).astype(weights.dtype)
            # Below the diagonal lies the mirror image: pairs beyond the own rows count twice.
            own = max(0, min(rows.stop, columns.stop) - column)
            partners = 2 * (similar[:, own:] @ weights[columns][own:]) + similar[:, :own] @ weights[columns][:own]
            total += int(counts[rows] @ partners.astype(np.int64))
    return total


def _share_a_bit(left: NDArray[np.uint64], right: NDArray[np.uint64]) -> NDArray[np.bool_]:
    shared = left[0, :, None] & right[0, None, :]
    for a, b in zip(left[1:], right[1:], strict=True):
        shared |= a[:, None] & b[None, :]
    return shared != 0
