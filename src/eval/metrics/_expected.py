"""Average precision as the exact mean over all orders of tied items, in closed form."""

from __future__ import annotations

import numpy as np

from ...errors import BioDeepHashingError
from ..ranking.histograms import Counts, DistanceHistogram, Reals, denominator_of, safe_divide
from ..ranking.threads import in_threads

TOGETHER = 512  # queries that a thread takes at a time
_WIDEST = 2.0**63  # products of two counts from here on do not fit into 64 bits


def expected_average_precision(groups: DistanceHistogram, cut: Counts, denominator: str) -> tuple[Reals, Reals]:
    r"""Return the mean of AP over uniformly random orders inside each distance group.

    A group of :math:`n` items, :math:`r` of them relevant, after :math:`N` items with :math:`R_0` relevant ones adds

    .. math::
        S = \frac rn \sum_{j=1}^{n} \frac{R_0 + 1 + (j-1) b}{N + j}
          = \frac rn \bigl[ b\,n + (R_0 + 1 - b (N+1)) (H_{N+n} - H_N) \bigr], \qquad b = \frac{r-1}{n-1}

    to the sum of precisions (:math:`H` harmonic numbers). Of a group that the cut divides only :math:`t` places count:
    with a constant denominator the sum ends at :math:`t`; with the denominator *retrieved* the number :math:`m` of relevant items
    in those places is hypergeometric, and given :math:`m` they are exchangeable.

    Reference: Computing Information Retrieval Performance Measures Efficiently in the Presence of Tied Scores,
    F. McSherry and M. Najork, ECIR 2008.

    Args:
        groups: the distance groups of each query.
        cut: how many items of each query count, (queries,).
        denominator: "retrieved", "min" or "all".

    Returns:
        The average precision of each query and the probability that a relevant item lies inside its cut, both (queries,).

    Raises:
        BioDeepHashingError: if a cut takes t items of a group with r relevant ones, and (t + 1)(r + 1) is 2^63 or more.

    Example:
        One relevant item among two at the same distance is first or second with equal chance:

        >>> expected_average_precision(DistanceHistogram.of(np.array([[[1, 1]]])), np.array([2]), "all")[0].tolist()
        [0.75]
    """
    from ._group_kernels import mean_over_draws, sum_expected

    parts = groups.size, groups.relevant, groups.before, groups.relevant_before
    precisions, rests = np.empty(len(cut)), np.empty(len(cut))
    retrieved, divided = np.empty(len(cut), dtype=np.int64), np.empty(len(cut), dtype=np.int64)
    inputs, results = (*parts, cut), (precisions, rests, retrieved, divided)
    in_threads(lambda rows: sum_expected(*(part[rows] for part in (*inputs, *results))), len(cut), TOGETHER)
    if denominator != "retrieved":
        precisions += rests
    average = safe_divide(precisions, denominator_of(denominator, retrieved, groups.total_relevant, cut))
    found_any = (retrieved > 0).astype(np.float64)
    rows = np.flatnonzero(divided >= 0)
    if len(rows):
        n, r, before, relevant_before = (part[rows, divided[rows]] for part in parts)
        mean, chance, taken = np.empty(len(rows)), np.empty(len(rows)), cut[rows] - before
        _check_products(taken, r)
        mean_over_draws(n, r, taken, before, relevant_before, precisions[rows], mean, chance)
        if denominator == "retrieved":
            average[rows] = mean
        found_any[rows] = np.maximum(found_any[rows], chance)
    return average, found_any


def _check_products(taken: Counts, relevant: Counts) -> None:
    """Refuse groups so large that the weights of draws could not be computed in whole numbers."""
    products = (taken + 1.0) * (relevant + 1.0)
    if (products >= _WIDEST).any():
        row = int(products.argmax())
        raise BioDeepHashingError(
            f"a cut takes {taken[row]:,} items of a distance group with {relevant[row]:,} relevant ones: too many for the tie rule "
            "expected, whose products of counts have 64 bits; any cut below 3,000,000,000 is possible"
        )
