"""Every query against every database item, as words of packed bits; what the compiled kernels read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...errors import BioDeepHashingError
from .feature_distances import FeatureDistances
from .histograms import Counts, DistanceHistogram, Reals
from .pair_checks import Labels, check_codes_and_labels, check_same
from .rows import Array, as_array, checked_features, packed
from .threads import in_threads

Workspace = tuple[NDArray[np.int64], NDArray[np.uint32], NDArray[np.uint8]]

ROWS = 4096  # labels that are packed at a time: they stay in the second-level cache
_BY_FEATURE = 2  # queries that a thread ranks by features at a time: they share nothing, and few let all threads end together


class RetrievalTask:
    r"""Every query against every database item; nothing of size queries × database is ever held.

    .. math::
        d(q, x) = \operatorname{popcount}(q \oplus x), \qquad
        \mathrm{rel}(q, x) = 1 \text{ iff } q \text{ and } x \text{ share at least one class}

    Arrays may be NumPy arrays or tensors. Codes are packed bytes, uint8 (n, bytes), as :func:`biodeephashing.codes.pack` makes them, or
    have a column per bit, (n, bits): ±1, 0/1, truth values, or features whose signs are the codes. Rows of 0 and 1 in uint8 without
    ``bits`` count as packed bytes, which have the same distances.

    Args:
        queries: codes of the queries.
        database: codes of the database, written in the same way.
        query_labels: 0/1, (queries, classes).
        database_labels: 0/1, (database, classes).
        classes: number of classes where labels are packed, eight a byte, uint8 (n, ceil(classes / 8)); None for a column per class.
        features: what the tie rule "feature" orders tied items by, (queries, bits) and (database, bits); None for the codes, where these
            are given as features.
        bits: length of a code where it is not a multiple of 8: distances are counted up to it; None for all bits of the bytes, or all
            columns.
        leave_one_out: query i *is* item i of the database, and every count and ranking leaves it out.
        other_view: with ``leave_one_out``, query i has other codes than item i: it is another view of it, a text of an image, say.

    Raises:
        BioDeepHashingError: if shapes, types or values do not fit together, and for ``leave_one_out`` with queries that are not the
            first items of the database, row by row, or fewer than two items.

    Example:
        >>> codes, labels = np.array([[1, 1, -1], [1, -1, -1]]), np.eye(2, dtype=np.uint8)
        >>> task = RetrievalTask(codes, codes, labels, labels)
        >>> task.distances(0).tolist(), task.relevance(0).tolist()
        ([0, 1], [True, False])
    """

    def __init__(
        self,
        queries: Array,
        database: Array,
        query_labels: Array,
        database_labels: Array,
        *,
        features: tuple[Array, Array] | None = None,
        bits: int | None = None,
        classes: int | None = None,
        leave_one_out: bool = False,
        other_view: bool = False,
    ) -> None:
        labels = as_array("query labels", query_labels), as_array("database labels", database_labels)
        codes, bits, signed = packed(as_array("query codes", queries), as_array("database codes", database), bits)
        check_codes_and_labels(codes, labels, bits, classes)
        self.queries, self.database = len(codes[0]), len(codes[1])
        self.bins = (8 * codes[0].shape[1] if bits is None else bits) + 1
        self.features = signed if features is None else checked_features(features, self.queries, self.database)
        self.alone = leave_one_out
        self._workspaces: list[Workspace] = []
        self.columns = (
            as_words(codes[0]),
            as_words(codes[1]),
            _label_columns("query", labels[0], classes),
            _label_columns("database", labels[1], classes),
        )
        if leave_one_out:
            check_same(self.columns, other_view=other_view)

    @property
    def ranked(self) -> int:
        """Items that each query ranks: the database, without the query itself where it is left out."""
        return self.database - self.alone

    @cached_property
    def levels(self) -> int:
        """One more than the most classes that a query and an item can share; 2 where they share one or none."""
        most = [int(np.bitwise_count(labels).sum(axis=0, dtype=np.int64).max()) for labels in self.columns[2:]]
        return max(min(most), 1) + 1

    def distances(self, query: int) -> NDArray[np.uint16]:
        """Return the Hamming distance of a query to every database item, (database,)."""
        return self._keys(query) >> np.uint16(1)

    def relevance(self, query: int) -> NDArray[np.bool_]:
        """Return which database items share a class with a query, (database,)."""
        return (self._keys(query) & np.uint16(1)).astype(bool)

    def histograms(self, queries: slice) -> NDArray[np.int64]:
        """Count the items at every distance from some queries, (queries, bins, 2): irrelevant ones, relevant ones.

        Example:
            >>> codes, labels = np.array([[0], [7]], dtype=np.uint8), np.ones((2, 1), dtype=np.uint8)
            >>> RetrievalTask(codes, codes, labels, labels).histograms(slice(0, 1))[0, :4].tolist()
            [[0, 1], [0, 0], [0, 0], [0, 1]]
        """
        from ._kernels import count_pairs

        histograms = np.zeros((queries.stop - queries.start, self.bins, 2), dtype=np.int64)
        in_threads(lambda part: count_pairs(queries.start + part.start, histograms[part], *self.columns), len(histograms))
        return self._without_self(queries, histograms)

    def shared_histograms(self, queries: slice) -> NDArray[np.int64]:
        """Count the items at every distance from some queries by the classes they share, (queries, bins, levels): 0, 1, 2, ...

        Example:
            >>> codes, labels = np.array([[0], [7]], dtype=np.uint8), np.ones((2, 3), dtype=np.uint8)
            >>> RetrievalTask(codes, codes, labels, labels).shared_histograms(slice(0, 1))[0, 3].tolist()
            [0, 0, 0, 1]
        """
        from ._kernels import count_shared

        if self.levels == 2:
            return self.histograms(queries)
        histograms = np.zeros((queries.stop - queries.start, self.bins, self.levels), dtype=np.int64)
        in_threads(lambda part: count_shared(queries.start + part.start, histograms[part], *self.columns), len(histograms))
        return self._without_self(queries, histograms)

    def _without_self(self, queries: slice, histograms: Counts) -> Counts:
        """Take each query itself out of its counts where it is left out; (queries, bins, levels)."""
        if self.alone:
            shared = np.bitwise_count(self.columns[2][:, queries]).sum(axis=0, dtype=np.int64)
            distance = np.bitwise_count(self.columns[0][:, queries] ^ self.columns[1][:, queries]).sum(axis=0, dtype=np.int64)
            histograms[np.arange(len(histograms)), distance, np.minimum(shared, histograms.shape[2] - 1)] -= 1
        return histograms

    def precision_sums(
        self, queries: slice, groups: DistanceHistogram, cuts: Counts, order: FeatureDistances | None = None
    ) -> tuple[Reals, Counts]:
        r"""Return the sum of the precisions at the relevant items within each cut, and how many these are, both (queries, cuts).

        .. math:: \sum_{i \le k,\ \mathrm{rel}_i} \frac{\text{relevant items among the first } i}{i}

        Without an order tied items come in database row order: deterministic, but favourable or unfavourable by chance when the
        rows are grouped by class.

        Args:
            queries: the queries to rank.
            groups: their distance groups.
            cuts: how many items of each query count, (queries, cuts).
            order: what tied items are ordered by, then by their rows.

        Example:
            >>> codes, labels = np.array([[1], [0], [1]], dtype=np.uint8), np.array([[0], [1], [1]], dtype=np.uint8)
            >>> task, query = RetrievalTask(codes[1:2], codes, labels[1:2], labels), slice(0, 1)
            >>> groups = DistanceHistogram.of(task.histograms(query))
            >>> task.precision_sums(query, groups, np.array([[3]]))[0].round(4).tolist()  # 1/1 + 2/3
            [[1.6667]]
            >>> features = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0], [0.0, 0.0], [1.0, 0.0]])
            >>> task.precision_sums(query, groups, np.array([[3]]), FeatureDistances(*features, block=1))[0].tolist()  # 1/1 + 2/2
            [[2.0]]
        """
        from ._kernels import rank_by_feature

        sums, retrieved, starts = np.zeros(cuts.shape), np.zeros(cuts.shape, dtype=np.int64), groups.starts
        if order is None:
            self.add_precisions(queries, starts, cuts, sums, retrieved)
            return sums, retrieved
        separations, own, units, alive = order.near(queries, _share_to_order(groups, cuts))

        def rank(part: slice) -> None:
            first, results = queries.start + part.start, (sums[part], retrieved[part])
            order_arrays = separations[part], own[part], units, alive
            with self._workspace() as memory:
                rank_by_feature(first, cuts[part], starts[part], *order_arrays, *memory, *results, self.alone, *self.columns)

        in_threads(rank, len(cuts), _BY_FEATURE)
        return sums, retrieved

    def add_precisions(self, queries: slice, places: Counts, cuts: Counts, sums: Reals, retrieved: Counts) -> None:
        """Add the precisions at the relevant items within each cut, tied items in row order, where this database is part of one.

        Args:
            queries: the queries to rank.
            places: items and relevant items of the whole database before the first of these rows in each group, see
                :attr:`DistanceHistogram.starts`; afterwards those before the rows that follow, (queries, distances + 1, 2).
            cuts: how many items of each query count, (queries, cuts).
            sums: to which the precisions are added, (queries, cuts).
            retrieved: to which the relevant items within each cut are added, (queries, cuts).
        """
        from ._kernels import rank_by_index

        def rank(part: slice) -> None:
            rows = (each[part] for each in (cuts, places, sums, retrieved))
            rank_by_index(queries.start + part.start, *rows, self.alone, *self.columns)

        in_threads(rank, len(cuts))

    @contextmanager
    def _workspace(self) -> Iterator[Workspace]:
        """Lend memory to rank by features in, which goes from one thread to the next."""
        try:
            memory = self._workspaces.pop()
        except IndexError:
            items = self.database
            memory = (np.empty((5, items), np.int64), np.empty((3, items), np.uint32), np.empty(items, np.uint8))
        yield memory
        self._workspaces.append(memory)

    def _keys(self, query: int) -> NDArray[np.uint16]:
        """Return 2 d + rel of a query and every database item, (database,)."""
        from ._kernels import pair_keys

        keys: NDArray[np.uint16] = pair_keys(query, *self.columns)
        return keys


def as_words(packed: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Return rows of bytes as rows of 16-bit words, an even number of them, padded with zeros; one row per column of the result.

    Args:
        packed: uint8 (n, bytes).

    Returns:
        (words, n).

    Example:
        >>> as_words(np.array([[1, 0, 0], [2, 0, 0]], dtype=np.uint8)).shape
        (2, 2)
    """
    padded = np.ascontiguousarray(np.pad(packed, ((0, 0), (0, -packed.shape[1] % 4))))  # pad keeps the order of a transposed array
    return np.array(padded.view(np.uint16).T, order="C")


def _share_to_order(groups: DistanceHistogram, cuts: Counts) -> float:
    """Return the share of items in groups that hold a relevant item and are not beyond every cut."""
    ordered = (groups.relevant > 0) & (groups.before < cuts.max(axis=1)[:, None])
    return float(groups.size[ordered].sum() / groups.size.sum())


def _label_columns(side: str, labels: Labels, packed: int | None) -> NDArray[np.uint8]:
    """Return eight classes a byte, one row of bytes per column of the result, (bytes, n)."""
    if packed is not None:
        return np.array(labels.T, dtype=np.uint8, order="C")
    rows, classes = labels.shape
    width = -(-classes // 8)
    columns = np.empty((width, rows), dtype=np.uint8)

    def pack(some: slice) -> None:
        part = labels[some]
        whole = np.zeros((len(part), 8 * width), dtype=bool)  # packing row by row would take three times as long
        whole[:, :classes] = part
        if not (part == whole[:, :classes]).all():
            raise BioDeepHashingError(f"the {side} labels {labels.shape} hold values other than 0 and 1")
        columns[:, some] = np.packbits(whole).reshape(-1, width).T

    in_threads(pack, rows, ROWS)
    return columns
