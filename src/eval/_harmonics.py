"""Sums of 1 / place: the harmonic numbers between two places of a ranking."""

from __future__ import annotations

import numpy as np
from scipy.special import digamma

from ._groups import Counts, Reals

FAR = 20  # from here on the series below is exact to the last digit


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
    middle: Reals = np.add(before, 0.5)
    sums: Reals = np.log1p(places / middle) + (_beyond_logarithm(middle + places) - _beyond_logarithm(middle))
    near = before < FAR
    sums[near] = digamma(before[near] + places[near] + 1.0) - digamma(before[near] + 1.0)
    return sums


def _beyond_logarithm(x: Reals) -> Reals:
    """Return digamma(x + 1/2) - log(x) for x beyond FAR."""
    s = 1.0 / (x * x)
    return s * (1 / 24 - s * (7 / 960 - s * (31 / 8064 - s * (127 / 30720 - s * (511 / 67584)))))
