"""Mean average precision of binary codes under every stated rule for ties, cuts and denominators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import BioDeepHashingError
from ..ranking.blocks import MEMORY, CountedTask, blocks_of, collect
from ..ranking.feature_distances import FeatureDistances
from ..ranking.histograms import DistanceHistogram, Reals, denominator_of, safe_divide
from ..ranking.rows import Array
from ..ranking.task import RetrievalTask
from ._bounds import extreme_average_precision
from ._expected import expected_average_precision
from .spec import TIES, APSpec

_RANKED = ("index", "feature")


@dataclass(frozen=True)
class AveragePrecision:
    """Average precision of every query under one spec.

    Args:
        values: (queries,).
        found: probability that a relevant item lies inside the cut, 0 or 1 wherever the order is certain, (queries,).
        empty: what a query without a relevant item inside the cut does to the mean, see :class:`APSpec`.
    """

    values: Reals
    found: Reals
    empty: str = "zero"

    def mean(self) -> float:
        """Return the mean over queries; 0 where none is left.

        Example:
            >>> values, found = np.array([0.5, 0.0]), np.array([1.0, 0.0])  # the second query finds nothing
            >>> AveragePrecision(values, found).mean(), AveragePrecision(values, found, "skip").mean()
            (0.25, 0.5)
        """
        return mean_over_queries(self.values, self.found, self.empty)


def mean_average_precision(task: RetrievalTask, spec: APSpec = APSpec()) -> float:  # noqa: B008 - it is frozen
    r"""Mean average precision of ranking a database by Hamming distance, exactly, under stated rules.

    .. math:: \mathrm{AP} = \frac1D \sum_{i \le k,\ \mathrm{rel}_i} \frac{\text{relevant items among the first } i}{i}

    Reference: Computing Information Retrieval Performance Measures Efficiently in the Presence of Tied Scores,
    F. McSherry and M. Najork, ECIR 2008 (tie rule "expected").

    Args:
        task: queries and database.
        spec: the rules for ties, cut, denominator and queries that find nothing.

    Raises:
        BioDeepHashingError: if the spec needs features and the task has none, or one of them is not finite.

    Example:
        >>> queries, database = np.array([[1, 1]]), np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])
        >>> labels = np.array([[1], [0], [1], [0]], dtype=np.uint8)
        >>> task = RetrievalTask(queries, database, labels[:1], labels)
        >>> round(mean_average_precision(task), 4)  # (1 + 1) / 2 or (1 + 2/3) / 2
        0.9167
        >>> round(mean_average_precision(task, APSpec(ties="index")), 4)
        0.8333
    """
    return average_precision_per_query(task, [spec])[spec].mean()


def average_precision_per_query(task: RetrievalTask, specs: Sequence[APSpec], *, memory: int = MEMORY) -> dict[APSpec, AveragePrecision]:
    """Average precision of every query under several specs, each histogram and each ranking made once.

    Each tie rule that ranks goes through the pairs once more, whatever the number of its cuts and denominators.

    Args:
        task: queries and database.
        specs: the rules.
        memory: working memory, in bytes, beside inputs, unit features and results; where it is too small, one query at a time is taken.

    Raises:
        BioDeepHashingError: if a spec needs features and the task has none, or one of them is not finite.

    Example:
        >>> codes, labels = np.array([[1], [2]], dtype=np.uint8), np.eye(2, dtype=np.uint8)
        >>> specs = [APSpec(ties="best"), APSpec(ties="worst", k=1)]
        >>> results = average_precision_per_query(RetrievalTask(codes, codes, labels, labels), specs)
        >>> results[specs[0]].values.tolist()
        [1.0, 1.0]
    """
    averages = APAccumulator(task, specs, memory)
    collect(task, averages.blocks, [averages])
    return averages.results


class APAccumulator:
    """Collects average precisions over blocks of queries.

    Args:
        task, specs, memory: as in :func:`average_precision_per_query`.
        shared: whether the distance groups come with the number of shared classes, which takes some of the memory.

    Raises:
        BioDeepHashingError: if a spec needs features and the task has none, or one of them is not finite.
    """

    def __init__(self, task: CountedTask, specs: Sequence[APSpec], memory: int, *, shared: bool = False) -> None:
        by_feature = any(spec.ties == "feature" for spec in specs)
        self.blocks = blocks_of(task, memory, bytes_per_pair=FeatureDistances.bytes_per_pair if by_feature else 0, shared=shared)
        self.results = {spec: AveragePrecision(np.zeros(task.queries), np.zeros(task.queries), spec.empty) for spec in specs}
        self._task = task
        self._separations = _separations(task, self.blocks[0].stop) if by_feature else None

    def add(self, block: slice, groups: DistanceHistogram) -> None:
        """Add the queries of a block."""
        for ties in TIES:
            sharing = [spec for spec in self.results if spec.ties == ties]
            if ties not in _RANKED:
                results = [_closed_form(groups, spec) for spec in sharing]
            else:
                results = _ranked(self._task, block, groups, sharing, self._separations if ties == "feature" else None)
            for spec, (values, chances) in zip(sharing, results, strict=True):
                self.results[spec].values[block], self.results[spec].found[block] = values, chances


def leave_one_out_average_precision(
    codes: Array, labels: Array, *, queries: int | None = None, other_view: Array | None = None, memory: int = MEMORY
) -> float:
    r"""Mean average precision when items are queries against all the others: tie rule "expected", whole ranking.

    .. math:: \frac1q \sum_{i=1}^{q} \mathrm{AP}\bigl(x_i;\ \{x_1, \dots, x_n\} \setminus \{x_i\}\bigr)

    with AP as in :func:`mean_average_precision`; an item that shares a class with no other counts as 0.

    Args:
        codes: codes as :class:`RetrievalTask` takes them, at least two.
        labels: 0/1, (n, classes).
        queries: q, how many of the items are queries, from the first one on; None for all.
        other_view: codes of the same items in another view, which are ranked in place of the queries' own; None for one view.
        memory: working memory, in bytes.

    Raises:
        BioDeepHashingError: for fewer than two items, or codes and labels that do not fit together.

    Example:
        >>> codes = np.array([[0], [0], [255]], dtype=np.uint8)
        >>> leave_one_out_average_precision(codes, np.array([[1, 0], [1, 0], [0, 1]], dtype=np.uint8))  # the third finds nothing
        0.6666666666666666
    """
    items = codes if other_view is None else other_view
    task = RetrievalTask(codes[:queries], items, labels[:queries], labels, leave_one_out=True, other_view=other_view is not None)
    return average_precision_per_query(task, [APSpec()], memory=memory)[APSpec()].mean()


def mean_over_queries(values: Reals, found: Reals, empty: str) -> float:
    """Return the mean of a number of each query, under a rule for those that find nothing, see :meth:`AveragePrecision.mean`."""
    counted = float(found.sum()) if empty == "skip" else float(len(values))
    return float(values.sum()) / counted if counted else 0.0


def _closed_form(groups: DistanceHistogram, spec: APSpec) -> tuple[Reals, Reals]:
    """Return average precision and chance to find something of a block of queries, from their histograms alone."""
    cut = groups.cut(spec.k, spec.radius)
    if spec.ties == "expected":
        return expected_average_precision(groups, cut, spec.denominator)
    return extreme_average_precision(groups, cut, spec.denominator, best=spec.ties == "best")


def _ranked(
    task: CountedTask, block: slice, groups: DistanceHistogram, specs: Sequence[APSpec], order: FeatureDistances | None
) -> list[tuple[Reals, Reals]]:
    """Return the same for specs that share a ranking."""
    if not specs:
        return []
    cuts = np.stack([groups.cut(spec.k, spec.radius) for spec in specs], axis=1)
    sums, retrieved = task.precision_sums(block, groups, cuts, order)
    denominators = [denominator_of(m.denominator, retrieved[:, i], groups.total_relevant, cuts[:, i]) for i, m in enumerate(specs)]
    return [(safe_divide(sums[:, i], denominators[i]), (retrieved[:, i] > 0).astype(np.float64)) for i in range(len(specs))]


def _separations(task: CountedTask, block: int) -> FeatureDistances:
    if task.features is None:
        raise BioDeepHashingError('the tie rule "feature" needs a task with features')
    return FeatureDistances(*task.features, block)
