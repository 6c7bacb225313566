"""Average precision as the exact mean over all orders of tied items, in closed form."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma

from ._groups import Counts, Groups, Reals, divisor, share


def expected_average_precision(groups: Groups, cut: Counts, denominator: str) -> tuple[Reals, Reals]:
    r"""Return the mean of AP over uniformly random orders inside each distance group.

    A group of :math:`n` items, :math:`r` of them relevant, after :math:`N` items with :math:`R_0` relevant ones adds

    .. math::
        S = \frac rn \sum_{j=1}^{n} \frac{R_0 + 1 + (j-1) b}{N + j}
          = \frac rn \bigl[ b\,n + (R_0 + 1 - b (N+1)) (H_{N+n} - H_N) \bigr], \qquad b = \frac{r-1}{n-1}

    to the sum of precisions (:math:`H` harmonic numbers). Of a group that the cut divides only :math:`t` places count:
    with a constant divisor the sum ends at :math:`t`; with the divisor *retrieved* the number :math:`m` of relevant items
    in those places is hypergeometric, and given :math:`m` they are exchangeable.

    Reference: Computing Information Retrieval Performance Measures Efficiently in the Presence of Tied Scores,
    F. McSherry and M. Najork, ECIR 2008.

    Args:
        groups: the distance groups of each query.
        cut: how many items of each query count, (queries,).
        denominator: "retrieved", "min" or "all".

    Returns:
        The average precision of each query and the probability that a relevant item lies inside its cut, both (queries,).

    Example:
        One relevant item among two at the same distance is first or second with equal chance:

        >>> expected_average_precision(Groups.of(np.array([[[1, 1]]])), np.array([2]), "all")[0].tolist()
        [0.75]
    """
    whole = groups.before + groups.size <= cut[:, None]
    inside = _share_of_places(groups.size, groups.relevant, groups.before, groups.relevant_before, groups.size, groups.relevant)
    precisions = np.where(whole, inside, 0.0).sum(axis=1)
    retrieved = np.where(whole, groups.relevant, 0).sum(axis=1)
    divided = np.flatnonzero((groups.before < cut[:, None]) & ~whole)
    rows, columns = np.unravel_index(divided, whole.shape)
    n, r, before, relevant_before = (a[rows, columns] for a in (groups.size, groups.relevant, groups.before, groups.relevant_before))
    places = cut[rows] - before
    found = (retrieved > 0).astype(np.float64)
    if denominator != "retrieved":
        precisions[rows] += _share_of_places(n, r, before, relevant_before, places, places * r / np.maximum(n, 1))
    average = share(precisions, divisor(denominator, retrieved, groups.total_relevant, cut))
    for i, row in enumerate(rows):
        if denominator != "retrieved" and found[row]:
            continue  # nothing about this query is left to chance
        chances, drawn = _hypergeometric(int(n[i]), int(r[i]), int(places[i]))
        if denominator == "retrieved":
            average[row] = _mean_over_draws(precisions[row], chances, drawn, places[i], before[i], relevant_before[i])
        found[row] = 1.0 if found[row] else chances[drawn > 0].sum()
    return average, found


def _share_of_places(
    size: NDArray[np.generic],
    relevant: NDArray[np.generic],
    before: Counts,
    relevant_before: Counts,
    places: Counts,
    drawn: NDArray[np.generic],
) -> Reals:
    r"""Return the expected sum of precisions of the first ``places`` of a group, of whose items ``drawn`` are relevant there.

    .. math:: \frac{m}{t} \bigl[ b\,t + (R_0 + 1 - b (N+1)) (H_{N+t} - H_N) \bigr]
    """
    slope = np.divide(relevant - 1.0, size - 1.0, out=np.zeros(np.shape(size)), where=size > 1)  # type: ignore[operator]
    harmonic = digamma(before + places + 1.0) - digamma(before + 1.0)
    bracket = slope * places + (relevant_before + 1.0 - slope * (before + 1.0)) * harmonic
    return np.divide(drawn * bracket, places, out=np.zeros(np.shape(places)), where=places > 0)


def _mean_over_draws(precisions: float, chances: Reals, drawn: Counts, places: int, before: int, relevant_before: int) -> float:
    """Return the mean of AP over the number of relevant items that reach the places before the cut."""
    t = np.full(len(drawn), places)
    sums = precisions + _share_of_places(t, drawn, np.full_like(t, before), np.full_like(t, relevant_before), t, drawn)
    return float(chances @ share(sums, relevant_before + drawn))


def _hypergeometric(n: int, r: int, t: int) -> tuple[Reals, Counts]:
    r"""Return :math:`P(m) = \binom rm \binom{n-r}{t-m} / \binom nt` and every possible m.

    Built from the logarithms of the ratios :math:`P(m+1) / P(m)`: they are small numbers, whereas log-gamma of 100,000
    is a million, of which the tenth decimal is already lost.

    Example:
        >>> _hypergeometric(4, 2, 2)[0].round(4).tolist()
        [0.1667, 0.6667, 0.1667]
    """
    m = np.arange(max(0, t - (n - r)), min(r, t) + 1)
    low = m[:-1].astype(np.float64)
    ratios = np.log((r - low) * (t - low)) - np.log((low + 1) * (n - r - t + low + 1))
    logarithms = np.concatenate(([0.0], np.cumsum(ratios)))
    chances = np.exp(logarithms - logarithms.max())
    return chances / chances.sum(), m
