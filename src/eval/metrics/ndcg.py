"""Normalised discounted cumulative gain with graded relevance, as the exact mean over all orders of tied items, in closed form."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...errors import UsageError
from ..ranking.blocks import MEMORY, CountedTask, blocks_of, collect
from ..ranking.histograms import Counts, DistanceHistogram, Reals, safe_divide
from ..ranking.task import RetrievalTask
from ._discounts import discount_sum
from .average_precision import mean_over_queries
from .spec import EMPTY, APSpec, check_choice

GAINS = ("shared", "exponential")
_MOST_SHARED = 1000  # 2 to the power of it is still a float64, and so is the sum over a database


def normalized_discounted_cumulative_gain(task: RetrievalTask, *, k: int | None = None, gain: str = "shared", empty: str = "zero") -> float:
    r"""NDCG of ranking a database by Hamming distance: the more classes an item shares with the query, the earlier it should come.

    .. math::
        \mathrm{nDCG} = \frac{\mathrm{DCG}}{\text{the greatest DCG of any order of the database}}, \qquad
        \mathrm{DCG} = \sum_{i \le k} \frac{\mathrm{gain}_i}{\log_2 (1 + i)}

    Tied items come in all orders: every place of a distance group counts with the mean gain of the group. With a single class per
    item the gain is relevance.

    Reference: Cumulated Gain-based Evaluation of IR Techniques, K. Järvelin and J. Kekäläinen, TOIS 2002; ties as in Computing
    Information Retrieval Performance Measures Efficiently in the Presence of Tied Scores, F. McSherry and M. Najork, ECIR 2008.

    Args:
        task: queries and database.
        k: only the first k items count, in the ideal order too; None, or more than there are, for all.
        gain: of an item that shares g classes with the query: "shared" (g) or "exponential" (2^g - 1).
        empty: what a query without a relevant item in the database does: "zero" counts it as 0, "skip" leaves it out.

    Raises:
        UsageError: for a rule or a cut that does not exist, or an exponential gain of more than 1,000 classes.

    Example:
        >>> codes = np.array([[0], [0], [1]], dtype=np.uint8)
        >>> labels = np.array([[1, 1], [1, 0], [1, 1]], dtype=np.uint8)  # gains 2 and 1 are tied, the other 2 is last
        >>> value = normalized_discounted_cumulative_gain(RetrievalTask(codes[:1], codes, labels[:1], labels))
        >>> round(value, 4)  # (1.5/1 + 1.5/log2(3) + 2/2) / (2/1 + 2/log2(3) + 1/2)
        0.9161
    """
    check_choice("rule for queries that find nothing", empty, EMPTY)
    gains = DiscountedGains(task, [k], gain)
    collect(task, blocks_of(task, MEMORY, shared=True), [gains], shared=True)
    return mean_over_queries(gains.values[k], gains.found, empty)


class DiscountedGains:
    """Collects the nDCG of every query at several cuts over blocks of queries; it needs the number of shared classes.

    Args:
        task: queries and database.
        cuts: the k wanted, None for the whole ranking.
        gain: "shared" or "exponential", see :func:`normalized_discounted_cumulative_gain`.

    Raises:
        UsageError: for a gain or cut that does not exist, or an exponential gain of more than 1,000 classes.
    """

    def __init__(self, task: CountedTask, cuts: Sequence[int | None], gain: str) -> None:
        checked = [APSpec(k=k).k for k in cuts]  # raises for an invalid cut
        self.values = {k: np.zeros(task.queries) for k in checked}
        self.found = np.zeros(task.queries)
        self._gains = _gains(task.levels, gain)
        self._items = task.database

    def add(self, block: slice, groups: DistanceHistogram) -> None:
        """Add the queries of a block."""
        means = safe_divide(np.einsum("qdl,l->qd", groups.counts, self._gains), groups.size)
        levels = groups.counts.sum(axis=1)
        self.found[block] = groups.total_relevant > 0
        for k, values in self.values.items():
            cut = self._items if k is None else min(k, self._items)
            values[block] = safe_divide(_discounted(means, groups.size, cut), _discounted(self._gains[::-1], levels[:, ::-1], cut))


def _gains(levels: int, gain: str) -> Reals:
    """Return the gain of an item by the number of classes that it shares, (levels,)."""
    check_choice("gain", gain, GAINS)
    if gain == "shared":
        return np.arange(levels, dtype=np.float64)
    if levels > _MOST_SHARED + 1:
        raise UsageError(f'up to {levels - 1} shared classes are too many for gain="exponential": {_MOST_SHARED} at most, or "shared"')
    return np.exp2(np.arange(levels)) - 1


def _discounted(gains: Reals, sizes: Counts, cut: int) -> Reals:
    """Return the DCG of each query, whose ranking is a row of groups with an equal gain at all places of a group, (queries,).

    Args:
        gains: of each group, (queries, groups) or (groups,).
        sizes: places of each group, (queries, groups).
        cut: how many places count.
    """
    ends = np.minimum(np.cumsum(sizes, axis=1), cut)
    before = np.concatenate((np.zeros_like(ends[:, :1]), ends[:, :-1]), axis=1)
    return (gains * discount_sum(before, ends - before)).sum(axis=1)
