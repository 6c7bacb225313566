"""Precision and recall at every Hamming radius and at every depth of the ranking, exactly, from histograms of distances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ranking.blocks import CountedTask
from ..ranking.histograms import Counts, DistanceHistogram, Reals, safe_divide

_STEPS = 25  # depths per power of ten: about a hundred for a database of 100,000


@dataclass(frozen=True)
class Curves:
    r"""Means over all queries; a query without relevant items counts as 0 everywhere. Tie rule "expected".

    Every radius is a cut between two distances, which no order of tied items can change. A depth :math:`N` that divides a distance
    group of :math:`n` items, :math:`r` of them relevant, and takes :math:`t` of them after :math:`R_0` relevant items finds, over all
    orders of the group,

    .. math:: \mathrm{precision@}N = \frac{1}{N} \Bigl( R_0 + t \, \frac rn \Bigr), \qquad
        \mathrm{recall@}N = \frac{1}{R} \Bigl( R_0 + t \, \frac rn \Bigr)

    Reference: Computing Information Retrieval Performance Measures Efficiently in the Presence of Tied Scores,
    F. McSherry and M. Najork, ECIR 2008.

    Args:
        items: items within Hamming radius 0, 1, 2, ..., bits, (bits + 1,).
        nonempty: share of the queries that have any item within that radius, (bits + 1,).
        precision: precision within the radius; a query with nothing inside counts as 0, (bits + 1,).
        recall: recall within the radius, (bits + 1,).
        depths: the depths N, ascending, at most the database, (depths,).
        precision_at: precision of the first N items, (depths,).
        recall_at: recall of the first N items, (depths,).
        distances: pairs of all queries and items at each distance: irrelevant ones, relevant ones, (bits + 1, 2).
        relevant: relevant items of each query, (queries,).

    Example:
        >>> from biodeephashing.eval import RetrievalTask, retrieval
        >>> codes, labels = np.array([[0], [1], [3]], dtype=np.uint8), np.array([[1], [0], [1]], dtype=np.uint8)
        >>> curves = retrieval(RetrievalTask(codes[:1], codes, labels[:1], labels), []).curves
        >>> curves.precision[:3].round(4).tolist(), curves.recall[:3].tolist()
        ([1.0, 0.5, 0.6667], [0.5, 0.5, 1.0])
    """

    items: Reals
    nonempty: Reals
    precision: Reals
    recall: Reals
    depths: Counts
    precision_at: Reals
    recall_at: Reals
    distances: Counts
    relevant: Counts


def ranking_depths(database: int) -> Counts:
    """Return the depths at which precision and recall are measured: 1 to 10, then 25 per power of ten, and the whole database.

    Example:
        >>> ranking_depths(13).tolist()
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]
        >>> {100, 1000, 10_000, 53_000} <= set(ranking_depths(53_000).tolist())
        True
    """
    powers = np.arange(_STEPS, _STEPS * np.log10(database) + 1) / _STEPS
    depths = np.unique(np.concatenate((np.arange(1, 10), np.rint(10**powers).astype(np.int64), [database])))
    return depths[depths <= database]


class CurveSums:
    """Collects :class:`Curves` over blocks of queries: sums, whose memory does not grow with the queries.

    Args:
        task: queries and database.
    """

    def __init__(self, task: CountedTask) -> None:
        self._queries = task.queries
        self._depths = ranking_depths(task.ranked)
        self._items, self._nonempty = np.zeros((2, task.bins), dtype=np.int64)
        self._precision, self._recall = np.zeros((2, task.bins))
        self._retrieved_at, self._recall_at = np.zeros((2, len(self._depths)))
        self._distances = np.zeros((task.bins, 2), dtype=np.int64)
        self._relevant = np.zeros(task.queries, dtype=np.int64)

    def add(self, block: slice, groups: DistanceHistogram) -> None:
        """Add the queries of a block."""
        starts, total = groups.starts, groups.total_relevant
        items, relevant = starts[:, 1:, 0], starts[:, 1:, 1]
        self._items += items.sum(axis=0)
        self._nonempty += (items > 0).sum(axis=0)
        _add_rows(self._precision, safe_divide(relevant, items))
        _add_rows(self._recall, safe_divide(relevant, total[:, None]))
        self._distances += np.stack((groups.size - groups.relevant, groups.relevant), axis=2).sum(axis=0)
        self._relevant[block] = total
        ends = np.concatenate((np.ones((len(total), 1), dtype=bool), groups.size > 0), axis=1)
        for query in range(len(total)):
            # Between the ends of its groups, the relevant items that a query expects grow evenly with the depth.
            items_before, relevant_before = starts[query, ends[query]].T
            retrieved = np.interp(self._depths, items_before, relevant_before)
            self._retrieved_at += retrieved
            self._recall_at += retrieved / max(total[query], 1)

    def curves(self) -> Curves:
        """Return the means over the queries added."""
        sums = (self._items, self._nonempty, self._precision, self._recall, self._retrieved_at / self._depths, self._recall_at)
        items, nonempty, precision, recall, precision_at, recall_at = (each / self._queries for each in sums)
        return Curves(items, nonempty, precision, recall, self._depths, precision_at, recall_at, self._distances, self._relevant)


def _add_rows(total: Reals, rows: Reals) -> None:
    """Add one row after the other, so that the sum is the same bits however the queries are split into blocks."""
    for row in rows:
        total += row
