"""Average precision as the exact mean over all orders of tied items, in closed form."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ._groups import Counts, Groups, Reals, divisor, share
from ._harmonics import harmonic_sum


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
    if len(rows):
        mean, chance = _over_draws(n, r, places, before, relevant_before, precisions[rows])
        if denominator == "retrieved":
            average[rows] = mean
        found[rows] = np.maximum(found[rows], chance)
    return average, found


def _over_draws(n: Counts, r: Counts, places: Counts, before: Counts, relevant_before: Counts, precisions: Reals) -> tuple[Reals, Reals]:
    """Return mean AP over the number of relevant items that reach the places before the cut, and the chance that one does."""
    from ._kernels import mean_over_draws

    mean, chance = np.empty(len(n)), np.empty(len(n))
    mean_over_draws(n, r, places, relevant_before, before + 1, harmonic_sum(before, places), precisions, mean, chance)
    return mean, chance


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
    bracket = slope * places + (relevant_before + 1.0 - slope * (before + 1.0)) * harmonic_sum(before, places)
    return np.divide(drawn * bracket, places, out=np.zeros(np.shape(places)), where=places > 0)
