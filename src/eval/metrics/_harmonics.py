"""Sums of 1 / place: the harmonic numbers between two places of a ranking."""

from __future__ import annotations

import numpy as np

from ..ranking.histograms import Counts, Reals


def harmonic_sum(before: Counts, places: Counts) -> Reals:
    r"""Return the sum of 1 / place over so many places after the first ones, exact to a few units in the last digit.

    .. math::
        H_{N+t} - H_N = \ln\Bigl(1 + \frac{t}{N + 1/2}\Bigr) + c(N + t + \tfrac12) - c(N + \tfrac12), \qquad
        c(x) = \psi(x + \tfrac12) - \ln x = \frac{1}{24 x^2} - \frac{7}{960 x^4} + \frac{31}{8064 x^6} - \dots

    The difference of two digammas would be off by their own rounding, which sums of precisions multiply by :math:`N`: with a
    relevant item after a million others nothing but three digits would remain of an average precision.

    Args:
        before: places before those that are summed, N, any shape.
        places: how many are summed, t, the same shape.

    Example:
        >>> harmonic_sum(np.array([0, 1]), np.array([2, 2]))  # 1 + 1/2, 1/2 + 1/3
        array([1.5       , 0.83333333])
    """
    from ._group_kernels import sum_harmonics

    before, places = (np.ascontiguousarray(counts, dtype=np.int64) for counts in (before, places))
    sums = np.empty(before.shape)
    sum_harmonics(before.reshape(-1), places.reshape(-1), sums.reshape(-1))
    return sums
