"""What tied items are ordered by: the distance of the real-valued features, in whole numbers."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import BioDeepHashingError
from ._groups import Reals
from ._threads import in_threads, libraries, threads

GRID = 2.0**26
_ROWS = 4096  # rows that are brought to unit length at a time


class Order(Protocol):
    """What tied items are ordered by."""

    def of(self, queries: slice) -> Any:
        """Return whole numbers below 2^53, the least first, (queries, database): an array or a tensor, whichever the pairs rank by."""


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


def separation_factors(queries: NDArray[np.generic], database: NDArray[np.generic]) -> tuple[Reals, Reals]:
    r"""Return two matrices whose product orders the database like the squared distance of unit features from a query.

    .. math:: |u - v|^2 = |u|^2 + |v|^2 - 2 \langle u, v \rangle

    The term of the query is the same for the whole database and is left out, a row of zeros has length 0: what is left is a product of
    the rows :math:`(-u, 1)` with the columns :math:`(v, |v|^2 / 2)`, of whole numbers whose sums stay below :math:`2^{53}`.

    Args:
        queries: raw features, (queries, bits).
        database: raw features, (database, bits).

    Returns:
        (queries, bits + 1) and (bits + 1, database).

    Raises:
        BioDeepHashingError: when a feature is not a finite number.

    Example:
        >>> rows, columns = separation_factors(np.array([[2.0, 0.0]]), np.array([[3.0, 0.0], [0.0, 1.0]]))
        >>> (rows @ columns / GRID**2).tolist()  # |v|^2 / 2 - <u, v>
        [[-0.5, 0.5]]
    """
    items, bits = database.shape
    rows, columns = np.concatenate((-unit_rows(queries), np.ones((len(queries), 1))), axis=1), np.empty((bits + 1, items))
    for start in range(0, items, _ROWS):  # a part at a time: no second copy of the whole
        part = slice(start, start + _ROWS)
        units = unit_rows(database[part], start)
        columns[:bits, part] = units.T
        columns[bits, part] = np.where(units.any(axis=1), GRID * GRID / 2, 0.0)
    return rows, columns


class Separations:
    """The products of :func:`separation_factors`, some queries at a time.

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
        self._rows, self._columns = separation_factors(queries, database)
        self._products = np.empty((block, len(database)))  # fresh memory for every block would cost as much as the product

    def of(self, queries: slice) -> Reals:
        """Return the separations of some queries, (queries, database); the array is written anew by the next call."""
        rows, products = self._rows[queries], self._products[: queries.stop - queries.start]
        items = products.shape[1]

        def multiply(part: slice) -> None:
            np.matmul(rows, self._columns[:, part], out=products[:, part])

        # The library's own threads go on spinning after a product and take the processors from those that rank.
        with libraries().limit(limits=1, user_api="blas"):
            in_threads(multiply, items, -(-items // threads()))
        return products
