"""Rankings that break ties by something: database order, or distance of the real-valued features."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import BioDeepHashingError
from ._groups import Counts, Groups, Reals
from ._pairs import Pairs, in_threads

GRID = 2.0**26
_ROWS = 4096  # rows that are brought to unit length at a time


def precision_sums(pairs: Pairs, queries: slice, groups: Groups, cuts: Counts, separations: Reals | None = None) -> tuple[Reals, Counts]:
    r"""Return the sum of the precisions at the relevant items within each cut, and how many these are, both (queries, cuts).

    .. math:: \sum_{i \le k,\ \mathrm{rel}_i} \frac{\text{relevant items among the first } i}{i}

    Without separations tied items come in database row order: deterministic, but favourable or unfavourable by chance when the
    rows are grouped by class.

    Args:
        pairs: queries and database.
        queries: the queries wanted.
        groups: their distance groups.
        cuts: how many items of each query count, (queries, cuts).
        separations: what :class:`Separations` returned for these queries, whole numbers, (queries, database): the order of tied items.

    Example:
        >>> codes, labels = np.array([[1], [0], [1]], dtype=np.uint8), np.array([[0], [1], [1]], dtype=np.uint8)
        >>> pairs, query = Pairs(codes[1:2], codes, labels[1:2], labels), slice(0, 1)
        >>> groups = Groups.of(pairs.histograms(query))
        >>> precision_sums(pairs, query, groups, np.array([[3]]))[0].round(4).tolist()  # 1/1 + 2/3
        [[1.6667]]
        >>> precision_sums(pairs, query, groups, np.array([[3]]), np.array([[5.0, 9.0, 1.0]]))[0].tolist()  # 1/1 + 2/2
        [[2.0]]
    """
    from ._kernels import rank_by_feature, rank_by_index

    sums, retrieved, starts = np.zeros(cuts.shape), np.zeros(cuts.shape, dtype=np.int64), groups.starts

    def rank(part: slice) -> None:
        first, results = queries.start + part.start, (sums[part], retrieved[part])
        if separations is None:
            rank_by_index(first, cuts[part], starts[part], *results, *pairs.columns)
        else:
            rank_by_feature(first, cuts[part], starts[part], separations[part], *results, *pairs.columns)

    in_threads(rank, len(cuts))
    return sums, retrieved


def unit_rows(features: NDArray[np.generic], first: int = 0) -> Reals:
    r"""Scale each row to length 1, on a grid of :math:`2^{-26}`; rows of zeros stay zero.

    Multiples of :math:`2^{-26}` (finer than the float32 features themselves) make every product and sum below exact in
    float64: the ranking does not depend on the BLAS library, its threads or the number of queries taken at once, and
    equal features are exactly tied.

    Args:
        features: raw outputs of the hash layer, (n, bits).
        first: number of the first row, for messages.

    Returns:
        Whole numbers, in units of :math:`2^{-26}`, float64 (n, bits).

    Raises:
        BioDeepHashingError: when a feature is not a finite number.
    """
    bad = ~np.isfinite(features).all(axis=1)
    if bad.any():
        raise BioDeepHashingError(f"row {first + int(np.flatnonzero(bad)[0])} of the features {features.shape} holds NaN or infinity")
    rows = features.astype(np.float64)
    largest = np.abs(rows).max(axis=1, keepdims=True)
    rows /= np.where(largest > 0, largest, 1)  # the squares of very large or small numbers would overflow or vanish
    length = np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
    rows *= GRID / np.where(length > 0, length, 1)
    return np.rint(rows, out=rows)


class Separations:
    r"""Numbers that order the database like the squared distance of unit features from a query.

    .. math:: |u - v|^2 = |u|^2 + |v|^2 - 2 \langle u, v \rangle

    The term of the query is the same for the whole database and is left out, a row of zeros has length 0: what is left is a product of
    the rows :math:`(-u, 1)` with the columns :math:`(v, |v|^2 / 2)`, of whole numbers whose sums stay below :math:`2^{53}`.

    Args:
        queries: raw features, (queries, bits).
        database: raw features, (database, bits).
        block: most queries asked for at once.

    Raises:
        BioDeepHashingError: when a feature is not a finite number.

    Example:
        >>> Separations(np.array([[2.0, 0.0]]), np.array([[3.0, 0.0], [0.0, 1.0]]), 1).of(slice(0, 1)).argsort().tolist()
        [[0, 1]]
    """

    def __init__(self, queries: NDArray[np.generic], database: NDArray[np.generic], block: int) -> None:
        items, bits = database.shape
        self._rows = np.concatenate((-unit_rows(queries), np.ones((len(queries), 1))), axis=1)
        self._columns = np.empty((bits + 1, items))
        for start in range(0, items, _ROWS):  # a part at a time: no second copy of the whole
            part = slice(start, start + _ROWS)
            units = unit_rows(database[part], start)
            self._columns[:bits, part] = units.T
            self._columns[bits, part] = np.where(units.any(axis=1), GRID * GRID / 2, 0.0)
        self._products = np.empty((block, items))  # fresh memory for every block would cost as much as the product

    def of(self, queries: slice) -> Reals:
        """Return the separations of some queries, (queries, database); the array is written anew by the next call."""
        return np.matmul(self._rows[queries], self._columns, out=self._products[: queries.stop - queries.start])
