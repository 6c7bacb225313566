"""Sums of the discounts of nDCG, without a table of them."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from many_cases import each_case

from biodeephashing.errors import BioDeepHashingError
from biodeephashing.eval.metrics._discounts import discount_sum
from biodeephashing.eval.metrics._expected import expected_average_precision
from biodeephashing.eval.metrics._group_kernels import FAR_DISCOUNTS, NODES
from biodeephashing.eval.ranking import DistanceHistogram

FEW = len(NODES)
RANGES = [
    *(
        (a, t)
        for a in (0, 1, 50, FAR_DISCOUNTS - 1, FAR_DISCOUNTS, FAR_DISCOUNTS + 1, 1000, 10**6)
        for t in (1, 2, FEW, FEW + 1, 100, 1000)
    ),
    *((a, t) for a in (0, 200, 10**5) for t in (10**7, 10**9, 10**10)),
    *((10**9, t) for t in (1, FEW, FEW + 1, 50, 10**5, 9 * 10**9)),
]


def exact(before: int, places: int) -> mpmath.mpf:
    """The sum to 30 digits: term by term, and from place 5,000 on by the Euler-Maclaurin formula from the first place of it."""
    near = range(before + 1, min(before + places, max(5000, before + 1000 if places <= 1000 else 0)) + 1)
    total = mpmath.fsum(1 / mpmath.log(1 + place, 2) for place in near)
    first, last = near.stop, before + places
    if first > last:
        return total

    def f(z):
        return 1 / mpmath.log(z, 2)

    first, last = max(first, before + 1) + 1, last + 1  # the sum of f over whole numbers from first to last
    total += log_integral(last) - log_integral(first) + (f(first) + f(last)) / 2
    for j in range(1, 5):
        derivative = mpmath.diff(f, last, 2 * j - 1) - mpmath.diff(f, first, 2 * j - 1)
        total += mpmath.bernoulli(2 * j) / mpmath.factorial(2 * j) * derivative
    return total


def log_integral(z: int) -> mpmath.mpf:
    """The integral of ln 2 / ln z, from 0 on."""
    return mpmath.log(2) * mpmath.li(z)


@each_case("before, places", RANGES)
def test_sums_to_thirty_digits(before, places):
    with mpmath.workdps(40):
        want = exact(before, places)
        got = discount_sum(np.array([before]), np.array([places])).item()
        assert abs(got - want) / want < 1e-14


def test_no_places():
    assert discount_sum(np.array([0, 7, 10**6]), np.zeros(3)).tolist() == [0, 0, 0]


@pytest.mark.parametrize(("t", "r"), [(3_037_000_500, 3_037_000_500), (2**62, 1), (9 * 10**18, 1)])
def test_products_beyond_64_bits_are_refused(t, r):
    groups = DistanceHistogram.of(np.array([[[10, r - 5 if r > 5 else 1]], [[t, r]]]))
    with pytest.raises(BioDeepHashingError, match=f"{t:,}"):
        expected_average_precision(groups, np.array([3, t]), "retrieved")


def test_products_just_below_are_computed():
    # a cut takes half of 6·10⁹ items, half of them relevant: precision is 1/2 on average at any place but the first few
    half = 3_000_000_000
    values, found = expected_average_precision(DistanceHistogram.of(np.array([[[half, half]]])), np.array([half]), "retrieved")
    assert values.item() == pytest.approx(0.5, abs=1e-8)
    assert found.item() == 1
