"""Compiled loops over distance groups; all in one file, because a kernel in the cache notices changes of its own file only."""

from __future__ import annotations

import numpy as np

from ..._compiled import kernel
from ..ranking.histograms import Counts, Reals

FAR = 20  # from this place on the series of harmonic sums is exact to the last digit
FAR_DISCOUNTS = 128  # from this place on that of sums of discounts is
NODES, WEIGHTS = np.polynomial.legendre.leggauss(12)
NEGLIGIBLE = 1e-40  # a weight so small, beside 1 of the most probable draw, that adding it changes no sum in float64


@kernel
def sum_harmonics(before: Counts, places: Counts, sums: Reals) -> None:
    """Write the sum of 1 / place over so many places after the first ones, see :func:`harmonic_sum`; all three (n,)."""
    for row in range(len(sums)):
        sums[row] = _harmonic_sum(before[row], places[row])


@kernel
def _harmonic_sum(before: int, places: int) -> float:
    total = 0.0
    while before < FAR and places > 0:
        before += 1
        places -= 1
        total += 1.0 / before
    if places == 0:
        return total
    middle = before + 0.5
    return total + (np.log1p(places / middle) + (_beyond_logarithm(middle + places) - _beyond_logarithm(middle)))


@kernel
def _beyond_logarithm(x: float) -> float:
    """Return digamma(x + 1/2) - log(x) for x beyond FAR."""
    s = 1.0 / (x * x)
    return s * (1 / 24 - s * (7 / 960 - s * (31 / 8064 - s * (127 / 30720 - s * (511 / 67584)))))


@kernel
def sum_discounts(before: Counts, places: Counts, sums: Reals) -> None:
    """Write the sum of 1 / log2(1 + place) over so many places after the first ones, see :func:`discount_sum`; all three (n,)."""
    for row in range(len(sums)):
        sums[row] = _discount_sum(before[row], places[row])


@kernel
def _discount_sum(before: int, places: int) -> float:
    total = 0.0
    while places > 0 and (before < FAR_DISCOUNTS or places <= len(NODES)):  # few are as quick one by one
        before += 1
        places -= 1
        total += 1.0 / np.log2(1.0 + before)
    if places == 0:
        return total
    left = before + 1.5
    end = left + places
    total += _beyond_integral(end) - _beyond_integral(left)
    while left < end:
        right = min(2.0 * left, end)
        middle, half, piece = (left + right) / 2, (right - left) / 2, 0.0
        for i in range(len(NODES)):
            piece += WEIGHTS[i] / np.log(middle + half * NODES[i])
        total += np.log(2.0) * half * piece
        left = right
    return total


@kernel
def _beyond_integral(z: float) -> float:
    """Return what an end of the sum adds to the integral: of the first and the third derivative of ln 2 / ln z."""
    log = np.log(z)
    first = -np.log(2.0) / (z * log**2)
    third = -np.log(2.0) * (2 * log**2 + 6 * log + 6) / (z**3 * log**4)
    return -first / 24 + 7 * third / 5760


@kernel
def sum_expected(
    sizes: Counts,
    relevant: Counts,
    before: Counts,
    relevant_before: Counts,
    cuts: Counts,
    sums: Reals,
    rests: Reals,
    retrieved: Counts,
    divided: Counts,
) -> None:
    """Sum the expected precisions of the groups before each query's cut, see :func:`expected_average_precision`.

    Args:
        sizes, relevant, before, relevant_before: the groups of each query, (queries, distances).
        cuts: how many items count, (queries,).
        sums: receives the sum over the groups that the cut leaves whole, (queries,).
        rests: receives the share of the group that it divides, as with a constant denominator, (queries,).
        retrieved: receives the relevant items of whole groups, (queries,).
        divided: receives the distance of the group that the cut divides, -1 for none, (queries,).
    """
    for query in range(len(cuts)):
        total, hits = 0.0, 0
        rests[query], divided[query] = 0.0, -1
        for group in range(sizes.shape[1]):
            n, r, start = sizes[query, group], relevant[query, group], before[query, group]
            places = min(n, cuts[query] - start)
            if places > 0:
                slope = (r - 1.0) / (n - 1.0) if n > 1 else 0.0
                bracket = slope * places + (relevant_before[query, group] + 1.0 - slope * (start + 1.0)) * _harmonic_sum(start, places)
                if places == n:
                    total += r * bracket / n
                    hits += r
                else:
                    rests[query], divided[query] = r / n * bracket, group
        sums[query], retrieved[query] = total, hits


@kernel
def mean_over_draws(
    sizes: Counts,
    relevant: Counts,
    places: Counts,
    before: Counts,
    relevant_before: Counts,
    precisions: Reals,
    averages: Reals,
    chances: Reals,
) -> None:
    r"""Average precision with the denominator *retrieved* where the cut divides a group: the mean over the relevant items in its places.

    Their number m has probability :math:`P(m) = \binom rm \binom{n-r}{t-m} / \binom nt`. From the most probable m on, each
    neighbour follows from the ratio of the two, until nothing more can be added: no logarithm, and no factorial that overflows.
    Products of counts fit into 64 bits where :math:`(t + 1)(r + 1) < 2^{63}`.

    Args:
        sizes: items of each divided group, n.
        relevant: relevant ones among them, r.
        places: places of the group before the cut, t.
        before: items before the group.
        relevant_before: relevant items before the group.
        precisions: sum of precisions before the group.
        averages: receives the average precisions.
        chances: receives the probabilities that a relevant item lies in the places.
    """
    for row in range(len(sizes)):
        n, r, t, known = sizes[row], relevant[row], places[row], relevant_before[row]
        low, high = max(0, t - (n - r)), min(r, t)
        mode = min(max((t + 1) * (r + 1) // (n + 2), low), high)
        harmonics = _harmonic_sum(before[row], t)
        weights, total, something = 0.0, 0.0, 0.0
        for step in (1, -1):
            m, weight = mode, 1.0
            while low <= m <= high and weight > NEGLIGIBLE:
                if m != mode or step == 1:
                    slope = (m - 1.0) / (t - 1.0) if t > 1 else 0.0
                    inside = m * slope + m / t * (known + 1.0 - slope * (before[row] + 1.0)) * harmonics
                    weights += weight
                    total += weight * (precisions[row] + inside) / max(known + m, 1)
                    something += weight * (m > 0)
                if step == 1:
                    weight *= (r - m) * (t - m) / ((m + 1.0) * (n - r - t + m + 1.0))
                else:
                    weight *= m * (n - r - t + m) / ((r - m + 1.0) * (t - m + 1.0))
                m += step
        averages[row] = total / weights
        chances[row] = something / weights  # 1 less the rest would keep few digits of a small chance
