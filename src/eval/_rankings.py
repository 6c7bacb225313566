"""Rankings that break ties by something: database order, or distance of the real-valued features."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BioDeepHashingError
from ._groups import Reals

Distances = NDArray[np.unsignedinteger[Any]]
GRID = 2.0**26


def order_by_index(distances: Distances) -> NDArray[np.intp]:
    """Rank by distance, ties in database row order.

    Deterministic, but favourable or unfavourable by chance when the rows of the database are grouped by class.

    Example:
        >>> order_by_index(np.array([1, 0, 1], dtype=np.uint8)).tolist()
        [1, 0, 2]
    """
    return np.argsort(distances, kind="stable")  # a radix sort for integers of 8 and 16 bits


def order_by_feature(distances: Distances, separations: Reals) -> NDArray[np.intp]:
    """Rank by distance, ties by separation of the features, what then remains in database row order.

    Args:
        distances: Hamming distances, (database,).
        separations: what :func:`separations` returned for this query, (database,).

    Example:
        >>> order_by_feature(np.array([1, 0, 1], dtype=np.uint8), np.array([0.5, 0.9, 0.1])).tolist()
        [1, 2, 0]
    """
    order = np.argsort(separations)  # five times as fast as a stable sort; equal keys are put right below
    _restore_row_order(order, separations[order])
    return order[np.argsort(distances[order], kind="stable")]


def unit_rows(features: NDArray[np.generic]) -> Reals:
    r"""Scale each row to length 1, on a grid of :math:`2^{-26}`; rows of zeros stay zero.

    Multiples of :math:`2^{-26}` (finer than the float32 features themselves) make every product and sum below exact in
    float64: the ranking does not depend on the BLAS library, its threads or the number of queries taken at once, and
    equal features are exactly tied.

    Args:
        features: raw outputs of the hash layer, (n, bits).

    Returns:
        Whole numbers, in units of :math:`2^{-26}`, float64 (n, bits).

    Raises:
        BioDeepHashingError: when a feature is not a finite number.
    """
    bad = ~np.isfinite(features).all(axis=1)
    if bad.any():
        raise BioDeepHashingError(f"row {int(np.flatnonzero(bad)[0])} of the features {features.shape} holds NaN or infinity")
    rows = features.astype(np.float64)
    largest = np.abs(rows).max(axis=1, keepdims=True)
    rows /= np.where(largest > 0, largest, 1)  # the squares of very large or small numbers would overflow or vanish
    length = np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
    rows *= GRID / np.where(length > 0, length, 1)
    return np.rint(rows, out=rows)


def separations(queries: Reals, database: Reals) -> Reals:
    r"""Return a number that orders the database like the squared distance of unit features, (queries, database).

    .. math:: |u - v|^2 = |u|^2 + |v|^2 - 2 \langle u, v \rangle

    The term of the query is the same for the whole database and is left out; a row of zeros has length 0.

    Args:
        queries: from :func:`unit_rows`, (queries, bits).
        database: from :func:`unit_rows`, (database, bits).
    """
    products = queries @ database.T
    np.negative(products, out=products)
    products += np.where(database.any(axis=1), GRID * GRID / 2, 0.0)
    return products


def precision_sums(order: NDArray[np.intp], relevance: NDArray[np.bool_]) -> tuple[NDArray[np.intp], Reals]:
    r"""Return the ranks of the relevant items and the running sum of the precision at each of them.

    .. math:: \sum_{j \le m} \frac{j}{\mathrm{rank}_j}

    Example:
        >>> ranks, sums = precision_sums(np.array([2, 0, 1]), np.array([False, True, True]))
        >>> ranks.tolist(), sums.round(4).tolist()
        ([1, 3], [1.0, 1.6667])
    """
    ranks = np.flatnonzero(relevance[order]) + 1
    return ranks, np.cumsum(np.arange(1, len(ranks) + 1) / ranks)


def _restore_row_order(order: NDArray[np.intp], keys: Reals) -> None:
    """Sort the runs of equal keys of an unstable sort by row, in place."""
    equal = keys[1:] == keys[:-1]
    if not equal.any():
        return
    tied = np.flatnonzero(np.concatenate((equal, [False])) | np.concatenate(([False], equal)))
    order[tied] = order[tied][np.lexsort((order[tied], keys[tied]))]
