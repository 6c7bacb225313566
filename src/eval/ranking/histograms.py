"""Distance groups: all that two histograms per query tell about a ranking by Hamming distance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
Reals = NDArray[np.float64]


@dataclass(frozen=True)
class DistanceHistogram:
    """The items of each query, grouped by distance; arrays are (queries, distances).

    Args:
        size: items in the group, :math:`n`.
        relevant: relevant ones among them, :math:`r`.
        before: items in all nearer groups, :math:`N`.
        relevant_before: relevant ones among those, :math:`R_0`.
        counts: items in the group by the number of classes they share with the query, (queries, distances, levels): 0, 1, 2, ...
            or, where only relevance was counted, none and any.

    Example:
        >>> groups = DistanceHistogram.of(np.array([[[1, 1], [0, 2]]]))
        >>> groups.size.tolist(), groups.relevant_before.tolist()
        ([[2, 2]], [[0, 1]])
    """

    size: Counts
    relevant: Counts
    before: Counts
    relevant_before: Counts
    counts: Counts

    @classmethod
    def of(cls, histograms: Counts) -> DistanceHistogram:
        """Build the groups from histograms (queries, distances, levels): irrelevant items, then relevant ones of one or more levels."""
        irrelevant, relevant = histograms[:, :, 0], histograms[:, :, 1:].sum(axis=2)
        size = irrelevant + relevant
        return cls(size, relevant, np.cumsum(size, axis=1) - size, np.cumsum(relevant, axis=1) - relevant, histograms)

    @property
    def total(self) -> Counts:
        """Items of each query, (queries,)."""
        return self.size.sum(axis=1)

    @property
    def total_relevant(self) -> Counts:
        """Relevant items of each query, (queries,)."""
        return self.relevant.sum(axis=1)

    @property
    def starts(self) -> Counts:
        """Items and relevant items before each group, and in a last row all of them, (queries, distances + 1, 2)."""
        counts = np.zeros((len(self.size), self.size.shape[1] + 1, 2), dtype=np.int64)
        np.cumsum(self.size, axis=1, out=counts[:, 1:, 0])
        np.cumsum(self.relevant, axis=1, out=counts[:, 1:, 1])
        return counts

    def cut(self, k: int | None, radius: int | None) -> Counts:
        """Return how many items of each query count, (queries,): the first ``k``, those within ``radius``, or all."""
        total = self.total
        if radius is not None:
            return self.size[:, : radius + 1].sum(axis=1)
        return total if k is None else np.minimum(total, min(k, int(total.max())))


def denominator_of(rule: str, retrieved: NDArray[np.generic], relevant: Counts, cut: Counts) -> NDArray[np.generic]:
    """Return what the sum of precisions is divided by: ``retrieved``, ``min`` (of R and the cut) or ``all`` (R)."""
    return {"retrieved": retrieved, "min": np.minimum(relevant, cut), "all": relevant}[rule]


def safe_divide(numerator: NDArray[np.generic], denominator: NDArray[np.generic]) -> Reals:
    """Divide, taking x / 0 as 0: a query that finds nothing has an average precision of 0."""
    return np.divide(numerator, denominator, out=np.zeros(numerator.shape), where=denominator > 0)  # type: ignore[operator]
