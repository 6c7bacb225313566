"""Intervals over queries against SciPy, by hand, and by how often they hold what they promise to."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biodeephashing.eval.significance.bootstrap import _resampled_means, mean_intervals


@pytest.mark.parametrize("queries", [12, 100, 1000])
def test_equals_scipy_up_to_its_other_draws(queries):
    from scipy.stats import bootstrap

    values = np.random.default_rng(queries).beta(4, 0.6, (queries, 3))
    spread = values.std(axis=0) / np.sqrt(queries)
    for column, found in enumerate(mean_intervals(values, resamples=50_000)):
        want = bootstrap((values[:, column],), np.mean, n_resamples=50_000, method="BCa", batch=1000, rng=1).confidence_interval
        assert found.low == pytest.approx(want.low, abs=0.08 * spread[column])
        assert found.high == pytest.approx(want.high, abs=0.08 * spread[column])


def test_the_formula_step_by_step():
    values = np.array([0.1, 0.9, 1.0, 1.0, 0.7])
    means = sorted(_resampled_means(values[:, None], 999, 7)[:, 0])
    normal = NormalDist()
    jackknife = [np.delete(values, i).mean() for i in range(5)]
    gaps = np.mean(jackknife) - jackknife
    acceleration = (gaps**3).sum() / (6 * (gaps**2).sum() ** 1.5)
    bias = normal.inv_cdf(sum(1 if m < 0.74 - 1e-9 else 0.5 if m < 0.74 + 1e-9 else 0 for m in means) / 999)
    ends = []
    for share in (0.05, 0.95):
        z = bias + normal.inv_cdf(share)
        ends.append(np.quantile(means, normal.cdf(bias + z / (1 - acceleration * z))))
    (found,) = mean_intervals(values[:, None], level=0.9, resamples=999, seed=7)
    assert (found.low, found.high) == (pytest.approx(ends[0], abs=1e-12), pytest.approx(ends[1], abs=1e-12))


def test_it_holds_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    skewed = rng.beta(4, 0.4, (60, 1500))  # 1,500 studies of 60 queries; the true mean is 10 / 11
    held = np.mean([one.low <= 10 / 11 <= one.high for one in mean_intervals(skewed, resamples=2000)])
    assert 0.91 < held < 0.965


def test_draws_do_not_depend_on_what_else_is_measured():
    values = np.random.default_rng(0).random((3000, 2))  # several blocks of draws
    both = mean_intervals(values, resamples=1000)
    (alone,) = mean_intervals(values[:, :1], resamples=1000)
    assert (alone.low, alone.high) == (pytest.approx(both[0].low, abs=1e-14), pytest.approx(both[0].high, abs=1e-14))
    assert mean_intervals(values, resamples=1000) == both
    assert mean_intervals(values, resamples=1000, seed=1) != both


def test_one_query_has_no_interval_and_equal_ones_no_width():
    assert mean_intervals(np.array([[0.5, 0.1]])) == [None, None]
    (found,) = mean_intervals(np.full((9, 1), 0.1))
    assert found.low == found.high == pytest.approx(0.1, abs=1e-15)


@settings(max_examples=60, deadline=None)
@given(queries=st.integers(2, 30), columns=st.integers(1, 4), seed=st.integers(0, 2**31), grid=st.sampled_from([1, 2, 1000]))
def test_always_within_the_values_and_around_the_mean(queries, columns, seed, grid):
    values = np.random.default_rng(seed).integers(0, grid + 1, (queries, columns)) / grid
    for column, found in zip(values.T, mean_intervals(values, resamples=2000), strict=True):
        assert column.min() - 1e-12 <= found.low <= column.mean() + 1e-12
        assert column.mean() - 1e-12 <= found.high <= column.max() + 1e-12
