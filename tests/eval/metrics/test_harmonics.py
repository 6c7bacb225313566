"""Sums of 1 / place keep their digits, and so do average precisions of a few items after very many."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from many_cases import each_case

from biodeephashing.eval.metrics._bounds import extreme_average_precision
from biodeephashing.eval.metrics._expected import expected_average_precision
from biodeephashing.eval.metrics._group_kernels import FAR
from biodeephashing.eval.metrics._harmonics import harmonic_sum
from biodeephashing.eval.ranking import DistanceHistogram

EPSILON = np.finfo(np.float64).eps
LATE = 1_000_000  # irrelevant items before the first relevant one


@each_case("before, places", product([0, 1, 2, 7, FAR - 1, FAR, FAR + 1, 50, 1000, 128_000, 10**9], [0, 1, 2, 3, 30, 400]))
def test_sum_of_fractions(before, places):
    want = float(sum((Fraction(1, before + j) for j in range(1, places + 1)), Fraction()))
    got = harmonic_sum(np.array([before]), np.array([places])).item()
    assert got == pytest.approx(want, rel=4 * EPSILON, abs=(before < FAR) * 4 * EPSILON)


def test_the_whole_of_a_large_ranking():
    assert harmonic_sum(np.array([0, 30]), np.array([LATE, LATE])) == pytest.approx(
        [math.fsum(1 / j for j in range(1 + n, LATE + n + 1)) for n in (0, 30)], rel=4 * EPSILON
    )


@pytest.mark.parametrize("relevant", [1, 2, 30])
def test_relevant_items_after_very_many_others(relevant):
    """They come last in one group with the others under the rule worst, and in a group of their own under every rule."""
    together, apart = DistanceHistogram.of(np.array([[[LATE, relevant]]])), DistanceHistogram.of(np.array([[[LATE, 0], [0, relevant]]]))
    values = [extreme_average_precision(groups, groups.total, "all", best=False)[0].item() for groups in (together, apart)]
    values.append(extreme_average_precision(apart, apart.total, "all", best=True)[0].item())
    values.append(expected_average_precision(apart, apart.total, "all")[0].item())
    want = math.fsum(j / (LATE + j) for j in range(1, relevant + 1)) / relevant
    assert values == pytest.approx([want] * len(values), abs=2 * EPSILON)


def test_relevant_items_before_a_cut_that_divides_them():
    groups = DistanceHistogram.of(np.array([[[LATE, 0], [0, 30]]]))
    values, found = expected_average_precision(groups, np.array([LATE + 10]), "retrieved")
    assert values.item() == pytest.approx(math.fsum(j / (LATE + j) for j in range(1, 11)) / 10, abs=2 * EPSILON)
    assert found.item() == 1
