"""The nearest items of queries over the shards of a database, merged by distance and id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import BioDeepHashingError
from ..metrics.average_precision import AveragePrecision
from ..metrics.spec import APSpec
from ..ranking.feature_distances import FeatureDistances
from ..ranking.histograms import Counts, denominator_of, safe_divide
from ..ranking.nearest import first_rows
from ..ranking.task import RetrievalTask

_TOGETHER = 16  # queries whose separations from all items of a shard are held at a time


@dataclass(frozen=True)
class NearestLists:
    """The first items of each query by distance, separation and id, which no two items share: the first of all are among those of parts.

    Args:
        distances: (queries, items).
        separations: whole numbers that order tied items as the distances of their unit features do; 0 where ids alone do,
            (queries, items).
        ids: rows in the whole database, (queries, items).
        relevant: whether each shares a class with the query, (queries, items).
    """

    distances: NDArray[np.int64]
    separations: NDArray[np.int64]
    ids: NDArray[np.int64]
    relevant: NDArray[np.bool_]

    def first(self, count: int) -> NearestLists:
        """Return the first of these items in their order."""
        order = np.lexsort((self.ids, self.separations, self.distances), axis=1)[:, :count]
        return NearestLists(**{name: np.take_along_axis(part, order, axis=1) for name, part in vars(self).items()})


def nearest_lists(task: RetrievalTask, count: int, first_id: int, *, ties: str = "index") -> NearestLists:
    """Return the first items of each query in a shard.

    Args:
        task: queries against the items of the shard; with features for the tie rule "feature".
        count: how many items; all of them where the shard is smaller.
        first_id: id of its first item; the others follow.
        ties: what orders tied items, "index" or "feature".

    Raises:
        BioDeepHashingError: if features are needed and the task has none, or one of them is not finite.

    Example:
        >>> codes, labels = np.array([[3], [0], [1], [0]], dtype=np.uint8), np.array([[1], [0], [1], [1]], dtype=np.uint8)
        >>> parts = [RetrievalTask(codes[3:], codes[rows], labels[3:], labels[rows]) for rows in (slice(2), slice(2, 4))]
        >>> merged = merge_lists([nearest_lists(part, 3, first) for part, first in zip(parts, (0, 2))], 3)
        >>> merged.ids.tolist(), merged.distances.tolist()
        ([[1, 3, 2]], [[0, 0, 1]])
    """
    order = _order(task) if ties == "feature" else None
    rows = np.empty((task.queries, min(count, task.database)), dtype=np.int64)
    distances, separations, relevant = np.empty_like(rows), np.zeros_like(rows), np.empty(rows.shape, dtype=np.bool_)
    for query in range(task.queries):
        if order and query % _TOGETHER == 0:
            gaps = order.of(slice(query, min(query + _TOGETHER, task.queries)))
        near = task.distances(query)
        gap = gaps[query % _TOGETHER] if order else None
        rows[query] = first_rows(near, count, gap)
        distances[query], relevant[query] = near[rows[query]], task.relevance(query)[rows[query]]
        if gap is not None:
            separations[query] = gap[rows[query]]
    return NearestLists(distances, separations, rows + first_id, relevant)


def merge_lists(parts: Sequence[NearestLists], count: int) -> NearestLists:
    """Return the first items of each query over some shards.

    Args:
        parts: the first ``count`` items, or all, of each shard.
        count: how many items; all of them where there are fewer.
    """
    together = {name: np.concatenate([vars(part)[name] for part in parts], axis=1) for name in vars(parts[0])}
    return NearestLists(**together).first(count)


def listed_average_precision(lists: NearestLists, spec: APSpec, relevant: Counts) -> AveragePrecision:
    """Return the average precision of every query within the first k items, tied items in the order of the lists.

    Args:
        lists: the first k items of each query, or more, by the tie rule of the spec.
        spec: "index" or "feature" at a cut k.
        relevant: relevant items of each query in the whole database, (queries,).

    Raises:
        BioDeepHashingError: for a spec that the lists do not reach to. The whole ranking by "feature" is possible in one piece only:
            the separations of all relevant items would have to go to every shard and back.
    """
    if spec.ties not in ("index", "feature") or spec.k is None:
        reason = ", since the separations of all relevant items would have to go to every shard and back" * (spec.ties == "feature")
        raise BioDeepHashingError(f"lists of the nearest items give the tie rules index and feature at a cut k only{reason}")
    hits = lists.relevant[:, : spec.k]
    ranks = np.arange(1, hits.shape[1] + 1)
    sums, retrieved = np.where(hits, np.cumsum(hits, axis=1) / ranks, 0.0).sum(axis=1), hits.sum(axis=1)
    cut = np.full(len(hits), hits.shape[1])
    values = safe_divide(sums, denominator_of(spec.denominator, retrieved, relevant, cut))
    return AveragePrecision(values, (retrieved > 0).astype(np.float64), spec.empty)


def _order(task: RetrievalTask) -> FeatureDistances:
    if task.features is None:
        raise BioDeepHashingError('the tie rule "feature" needs a task with features')
    return FeatureDistances(*task.features, _TOGETHER)
