"""Average precision when tied items come in the most or the least favourable order."""

from __future__ import annotations

import numpy as np

from ..ranking.histograms import Counts, DistanceHistogram, Reals, denominator_of, safe_divide
from ._harmonics import harmonic_sum


def extreme_average_precision(groups: DistanceHistogram, cut: Counts, denominator: str, *, best: bool) -> tuple[Reals, Reals]:
    r"""Return AP with the relevant items first (best) or last (worst) inside each distance group.

    In a group after :math:`N` items with :math:`R_0` relevant ones, :math:`m` relevant items in a row after :math:`g`
    irrelevant ones add

    .. math:: \sum_{j=1}^{m} \frac{R_0 + j}{N + g + j} = m + (R_0 - N - g) (H_{N+g+m} - H_{N+g})

    to the sum of precisions. Over the whole ranking, within a radius and with the denominators *min* and *all* the two are
    bounds of every order. With the denominator *retrieved* and a cut at k they are two orders among others: that rule is
    not monotone, (+,-,-) scores more than (+,-,+).

    Args:
        groups: the distance groups of each query.
        cut: how many items of each query count, (queries,).
        denominator: "retrieved", "min" or "all".
        best: relevant items first (True) or last (False).

    Returns:
        The average precision of each query, and 1 where a relevant item lies inside its cut, 0 where none does, both (queries,).

    Example:
        >>> groups = DistanceHistogram.of(np.array([[[1, 1]]]))
        >>> [extreme_average_precision(groups, np.array([2]), "all", best=best)[0].item() for best in (False, True)]
        [0.5, 1.0]
    """
    places = np.clip(cut[:, None] - groups.before, 0, groups.size)
    irrelevant = groups.size - groups.relevant
    drawn = np.minimum(groups.relevant, places) if best else np.maximum(places - irrelevant, 0)
    start = groups.before + (0 if best else irrelevant)
    sums = drawn + (groups.relevant_before - start) * harmonic_sum(start, drawn)
    retrieved = drawn.sum(axis=1)
    average = safe_divide(sums.sum(axis=1), denominator_of(denominator, retrieved, groups.total_relevant, cut))
    return average, (retrieved > 0).astype(np.float64)
