"""What tied items are ordered by: the distance of the real-valued features, in whole numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...errors import BioDeepHashingError
from .histograms import Reals
from .threads import in_threads, one_blas_thread, threads

Units = NDArray[np.int32]

GRID = 2.0**26  # a length of 1 in the units of features; the kernels have the same, since theirs must stand in their own file
_ROWS = 4096  # rows that are brought to unit length at a time
_FEW = 0.25  # where a smaller share of the items has to be ordered, their separations are computed one by one


def unit_rows(features: NDArray[np.generic]) -> Units:
    r"""Scale each row to length 1, on a grid of :math:`2^{-26}`; rows of zeros stay zero.

    Multiples of :math:`2^{-26}` (finer than the float32 features themselves) make every product and sum below exact in
    float64: the ranking does not depend on the BLAS library, its threads or the number of queries taken at once, and
    equal features are exactly tied.

    Args:
        features: raw outputs of the hash layer, (n, bits).

    Returns:
        Whole numbers, in units of :math:`2^{-26}`, int32 (n, bits).

    Raises:
        BioDeepHashingError: if a feature is not a finite number.

    Example:
        >>> (unit_rows(np.array([[3.0, 4.0]])) / GRID).round(6).tolist()
        [[0.6, 0.8]]
    """
    from ._kernels import scale_rows

    units, bad = np.empty(features.shape, np.int32), []

    def scale(part: slice) -> None:
        row = scale_rows(features[part].astype(np.float64, order="C"), units[part])
        if row >= 0:
            bad.append(part.start + row)

    in_threads(scale, len(features), _ROWS)
    if bad:
        raise BioDeepHashingError(f"row {min(bad)} of the features {features.shape} holds NaN or infinity")
    return units


class FeatureDistances:
    r"""Numbers that order the database like the squared distance of unit features from a query, some queries at a time.

    .. math:: |u - v|^2 = |u|^2 + |v|^2 - 2 \langle u, v \rangle

    The term of the query is the same for the whole database and is left out, a row of zeros has length 0: what is left is a product of
    the rows :math:`(-u, 1)` with the columns :math:`(v, |v|^2 / 2)`, of whole numbers whose sums stay below :math:`2^{53}`.

    Args:
        queries: raw features, (queries, bits).
        database: raw features, (database, bits).
        block: most queries per call.

    Raises:
        BioDeepHashingError: if a feature is not a finite number.

    Example:
        >>> separations = FeatureDistances(np.array([[2.0, 0.0]]), np.array([[3.0, 0.0], [0.0, 1.0]]), block=1)
        >>> (separations.of(slice(0, 1)) / GRID**2).tolist()  # |v|^2 / 2 - <u, v>
        [[-0.5, 0.5]]
    """

    bytes_per_pair = 8

    def __init__(self, queries: NDArray[np.generic], database: NDArray[np.generic], block: int) -> None:
        self._own, self._units, self._block = unit_rows(queries), unit_rows(database), block
        self._alive: NDArray[np.uint8] = np.asarray(self._units.any(axis=1), np.uint8)
        self._columns = np.empty((0, 0))  # the second factor, in place of the units, from the first product on

    def near(self, queries: slice, share: float) -> tuple[Reals, Units, Units, NDArray[np.uint8]]:
        """Return what :func:`._kernels.rank_by_feature` orders by: units, or separations where many items have to be ordered.

        Args:
            queries: the queries to rank.
            share: share of the items that have to be ordered.

        Returns:
            Distances, (queries, database) or (queries, 0); units of the queries; units of the database and, for each item, whether
            they are not all zero.
        """
        few = share < _FEW and not self._columns.size
        separations = np.empty((queries.stop - queries.start, 0)) if few else self.of(queries)
        return separations, self._own[queries], self._units, self._alive

    def of(self, queries: slice) -> Reals:
        """Return the separations of some queries, (queries, database); the array is written anew by the next call."""
        if not self._columns.size:
            self._multiply_from_now_on()
        rows, products = _first_factor(self._own[queries]), self._products[: queries.stop - queries.start]
        items = products.shape[1]

        def multiply(part: slice) -> None:
            np.matmul(rows, self._columns[:, part], out=products[:, part])

        # The library's own threads go on spinning after a product and take the processors from those that rank.
        with one_blas_thread():
            in_threads(multiply, items, -(-items // threads()))
        return products

    def _multiply_from_now_on(self) -> None:
        """Turn the units into the second factor, and drop them: both would take too much memory."""
        self._columns = _second_factor(self._units)
        self._units = self._units[:0].copy()
        self._products = np.empty((self._block, len(self._alive)))  # new memory for every block would cost as much as the product


def _first_factor(units: Units) -> Reals:
    return np.concatenate((-units, np.ones((len(units), 1))), axis=1)


def _second_factor(units: Units) -> Reals:
    items, bits = units.shape
    columns = np.empty((bits + 1, items))

    def fill(part: slice) -> None:
        columns[:bits, part] = units[part].T
        columns[bits, part] = np.where(units[part].any(axis=1), GRID * GRID / 2, 0.0)

    in_threads(fill, items, _ROWS)
    return columns
