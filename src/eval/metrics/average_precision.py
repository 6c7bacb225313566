"""Mean average precision of binary codes under every stated rule for ties, cuts and divisors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral

import numpy as np
from numpy.typing import NDArray

from ...errors import BioDeepHashingError, UsageError, unknown_name
from ..ranking.blocks import MEMORY, blocks_of, collect
from ..ranking.groups import Groups, Reals, divisor, share
from ..ranking.pair_checks import Codes, Labels, check_array
from ..ranking.pairs import Pairs
from ..ranking.rankings import Separations
from ._bounds import extreme_average_precision
from ._expected import expected_average_precision

TIES = ("expected", "index", "feature", "worst", "best")
DENOMINATORS = ("retrieved", "min", "all")
EMPTY = ("zero", "skip")
_RANKED = ("index", "feature")


@dataclass(frozen=True)
class Measure:
    """Everything that must be stated beside an average precision.

    Args:
        ties: "expected" (mean over all orders of tied items), "index" (database order), "feature" (distance of the unit
            features), "worst" or "best" (relevant items last or first).
        k: only the first k items count; None for all.
        radius: only items within this Hamming distance count; None for all.
        denominator: "retrieved" (relevant items inside the cut), "min" (of all relevant items and the cut) or "all".

    Raises:
        UsageError: for a name that does not exist, a cut below its range or not whole, or both cuts.

    Example:
        >>> Measure(ties="index", k=1000).denominator
        'retrieved'
    """

    ties: str = "expected"
    k: int | None = None
    radius: int | None = None
    denominator: str = "retrieved"

    def __post_init__(self) -> None:
        check_choice("tie rule", self.ties, TIES)
        check_choice("denominator", self.denominator, DENOMINATORS)
        if self.k is not None and self.radius is not None:
            raise UsageError(f"k={self.k} and radius={self.radius} are two cuts: give one")
        for name, value, least in (("k", self.k, 1), ("radius", self.radius, 0)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, Integral) or value < least):
                raise UsageError(f"{name}={value} is not possible: it must be a whole number of at least {least}")
            if value is not None:
                object.__setattr__(self, name, int(value))  # np.uint8(255) + 1 would be 0


@dataclass(frozen=True)
class AveragePrecision:
    """Average precision of every query under one measure.

    Args:
        values: (queries,).
        found: probability that a relevant item lies inside the cut, 0 or 1 wherever the order is certain, (queries,).
    """

    values: Reals
    found: Reals

    def mean(self, empty: str = "zero") -> float:
        """Return the mean over queries.

        Args:
            empty: what a query without a relevant item inside the cut does: "zero" counts it as 0, "skip" leaves it out
                (where chance decides, it counts with the probability that it finds one). Nothing left gives 0.

        Raises:
            UsageError: for a rule that does not exist.

        Example:
            >>> average = AveragePrecision(np.array([0.5, 0.0]), np.array([1.0, 0.0]))  # the second query finds nothing
            >>> average.mean(), average.mean("skip")
            (0.25, 0.5)
        """
        check_choice("rule for queries that find nothing", empty, EMPTY)
        return mean_over_queries(self.values, self.found, empty)


def mean_average_precision(
    query_codes: Codes,
    database_codes: Codes,
    query_labels: Labels,
    database_labels: Labels,
    *,
    k: int | None = None,
    radius: int | None = None,
    ties: str = "expected",
    denominator: str = "retrieved",
    empty: str = "zero",
    query_features: NDArray[np.generic] | None = None,
    database_features: NDArray[np.generic] | None = None,
) -> float:
    r"""Mean average precision of ranking a database by Hamming distance, exactly, under stated rules.

    .. math:: \mathrm{AP} = \frac1D \sum_{i \le k,\ \mathrm{rel}_i} \frac{\text{relevant items among the first } i}{i}

    Reference: Computing Information Retrieval Performance Measures Efficiently in the Presence of Tied Scores,
    F. McSherry and M. Najork, ECIR 2008 (tie rule "expected").

    Args:
        query_codes: packed codes, uint8 (queries, bytes).
        database_codes: packed codes, uint8 (database, bytes).
        query_labels: 0/1, (queries, classes); items that share a class are relevant to each other.
        database_labels: 0/1, (database, classes).
        k: only the first k items count; None, or more than there are, for all.
        radius: only items within this Hamming distance count; not together with k.
        ties: "expected", "index", "feature", "worst" or "best", see :class:`Measure`.
        denominator: "retrieved", "min" or "all", see :class:`Measure`.
        empty: "zero" or "skip", see :meth:`AveragePrecision.mean`.
        query_features: real-valued features, (queries, bits); only for ties="feature".
        database_features: real-valued features, (database, bits); only for ties="feature".

    Raises:
        UsageError: for a rule that does not exist, a cut that is not possible, or both cuts.
        BioDeepHashingError: for codes, labels or features that do not fit together.

    Example:
        >>> from biodeephashing.codes import pack
        >>> queries, database = pack(np.array([[1, 1]])), pack(np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]]))
        >>> labels = np.array([[1], [0], [1], [0]], dtype=np.uint8)
        >>> round(mean_average_precision(queries, database, labels[:1], labels), 4)  # (1 + 1) / 2 or (1 + 2/3) / 2
        0.9167
        >>> round(mean_average_precision(queries, database, labels[:1], labels, ties="index"), 4)
        0.8333
    """
    measure = Measure(ties, k, radius, denominator)
    check_choice("rule for queries that find nothing", empty, EMPTY)
    pairs = Pairs(query_codes, database_codes, query_labels, database_labels)
    results = average_precision_per_query(pairs, [measure], query_features=query_features, database_features=database_features)
    return results[measure].mean(empty)


def average_precision_per_query(
    pairs: Pairs,
    measures: Sequence[Measure],
    *,
    query_features: NDArray[np.generic] | None = None,
    database_features: NDArray[np.generic] | None = None,
    memory: int = MEMORY,
) -> dict[Measure, AveragePrecision]:
    """Average precision of every query under several measures, each histogram and each ranking made once.

    Each tie rule that ranks goes through the pairs once more, whatever the number of its cuts and divisors.

    Args:
        pairs: queries and database.
        measures: the rules wanted.
        query_features: see :func:`mean_average_precision`.
        database_features: see :func:`mean_average_precision`.
        memory: working memory, in bytes, beside inputs, unit features and results; where it is too small, one query at a time is taken.

    Raises:
        BioDeepHashingError: when a measure needs features and they are missing or do not fit.

    Example:
        >>> codes, labels = np.array([[1], [2]], dtype=np.uint8), np.eye(2, dtype=np.uint8)
        >>> measures = [Measure(ties="best"), Measure(ties="worst", k=1)]
        >>> results = average_precision_per_query(Pairs(codes, codes, labels, labels), measures)
        >>> results[measures[0]].values.tolist()
        [1.0, 1.0]
    """
    averages = Averages(pairs, measures, query_features, database_features, memory)
    collect(pairs, averages.blocks, [averages])
    return averages.results


class Averages:
    """Collects average precisions over blocks of queries.

    Args:
        pairs, measures, query_features, database_features, memory: as in :func:`average_precision_per_query`.
        shared: whether the distance groups come with the number of shared classes, which takes some of the memory.

    Raises:
        BioDeepHashingError: when a measure needs features and they are missing or do not fit.
    """

    def __init__(
        self,
        pairs: Pairs,
        measures: Sequence[Measure],
        query_features: NDArray[np.generic] | None,
        database_features: NDArray[np.generic] | None,
        memory: int,
        *,
        shared: bool = False,
    ) -> None:
        by_feature = any(measure.ties == "feature" for measure in measures)
        self.blocks = blocks_of(pairs, memory, bytes_per_pair=Separations.bytes_per_pair if by_feature else 0, shared=shared)
        self.results = {measure: AveragePrecision(np.zeros(pairs.queries), np.zeros(pairs.queries)) for measure in measures}
        self._pairs = pairs
        self._separations = _separations(pairs, query_features, database_features, self.blocks[0].stop) if by_feature else None

    def add(self, block: slice, groups: Groups) -> None:
        """Add the queries of a block."""
        for ties in TIES:
            sharing = [measure for measure in self.results if measure.ties == ties]
            if ties not in _RANKED:
                found = [_closed_form(groups, measure) for measure in sharing]
            else:
                found = _ranked(self._pairs, block, groups, sharing, self._separations if ties == "feature" else None)
            for measure, (values, chances) in zip(sharing, found, strict=True):
                self.results[measure].values[block], self.results[measure].found[block] = values, chances


def leave_one_out_average_precision(codes: Codes, labels: Labels, *, queries: int | None = None, memory: int = MEMORY) -> float:
    r"""Mean average precision when items are queries against all the others: tie rule "expected", whole ranking.

    .. math:: \frac1q \sum_{i=1}^{q} \mathrm{AP}\bigl(x_i;\ \{x_1, \dots, x_n\} \setminus \{x_i\}\bigr)

    with AP as in :func:`mean_average_precision`; an item that shares a class with no other counts as 0.

    Args:
        codes: packed codes, uint8 (n, bytes), at least two.
        labels: 0/1, (n, classes).
        queries: q, how many of the items are queries, from the first one on; None for all.
        memory: working memory, in bytes.

    Raises:
        BioDeepHashingError: for fewer than two items, or codes and labels that do not fit together.

    Example:
        >>> codes = np.array([[0], [0], [255]], dtype=np.uint8)
        >>> leave_one_out_average_precision(codes, np.array([[1, 0], [1, 0], [0, 1]], dtype=np.uint8))  # the third finds nothing
        0.6666666666666666
    """
    pairs = Pairs(codes[:queries], codes, labels[:queries], labels, leave_one_out=True)
    return average_precision_per_query(pairs, [Measure()], memory=memory)[Measure()].mean()


def mean_over_queries(values: Reals, found: Reals, empty: str) -> float:
    """Return the mean of a number of each query, under a rule for those that find nothing, see :meth:`AveragePrecision.mean`."""
    counted = float(found.sum()) if empty == "skip" else float(len(values))
    return float(values.sum()) / counted if counted else 0.0


def check_choice(kind: str, value: str, choices: tuple[str, ...]) -> None:
    """Refuse a name that does not exist, with the nearest one."""
    if value not in choices:
        raise unknown_name(kind, value, choices)


def _closed_form(groups: Groups, measure: Measure) -> tuple[Reals, Reals]:
    """Return average precision and chance to find something of a block of queries, from their histograms alone."""
    cut = groups.cut(measure.k, measure.radius)
    if measure.ties == "expected":
        return expected_average_precision(groups, cut, measure.denominator)
    return extreme_average_precision(groups, cut, measure.denominator, best=measure.ties == "best")


def _ranked(
    pairs: Pairs, block: slice, groups: Groups, measures: Sequence[Measure], order: Separations | None
) -> list[tuple[Reals, Reals]]:
    """Return the same for measures that share a ranking."""
    if not measures:
        return []
    cuts = np.stack([groups.cut(measure.k, measure.radius) for measure in measures], axis=1)
    sums, retrieved = pairs.precision_sums(block, groups, cuts, order)
    divisors = [divisor(m.denominator, retrieved[:, i], groups.total_relevant, cuts[:, i]) for i, m in enumerate(measures)]
    return [(share(sums[:, i], divisors[i]), (retrieved[:, i] > 0).astype(np.float64)) for i in range(len(measures))]


def _separations(pairs: Pairs, queries: NDArray[np.generic] | None, database: NDArray[np.generic] | None, block: int) -> Separations:
    if queries is None or database is None:
        raise BioDeepHashingError('the tie rule "feature" needs query_features and database_features')
    wanted = f"({pairs.queries}, bits) and ({pairs.database}, bits)"
    check_array("query features", queries)
    check_array("database features", database)
    shapes = f"features of shape {queries.shape} and {database.shape}"
    if queries.ndim != 2 or database.ndim != 2 or (len(queries), len(database)) != (pairs.queries, pairs.database):
        raise BioDeepHashingError(f"{shapes} do not belong to these codes: {wanted} are needed")
    if queries.shape[1] != database.shape[1]:
        raise BioDeepHashingError(f"{shapes} are of different width: {wanted} are needed")
    return Separations(queries, database, block)
