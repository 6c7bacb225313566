"""The sign-flip test against SciPy, every assignment by hand, and its promise under chance."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biodeephashing.errors import BioDeepHashingError
from biodeephashing.eval.significance import permutation
from biodeephashing.eval.significance.permutation import EXACT, sign_flip_test


def p_by_enumeration(differences: list[int]) -> float:
    seen = abs(sum(differences))
    sums = [sum(s * d for s, d in zip(signs, differences, strict=True)) for signs in product((1, -1), repeat=len(differences))]
    return sum(abs(total) >= seen for total in sums) / len(sums)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(-6, 6), min_size=1, max_size=9))
def test_equals_every_assignment_of_signs(differences):
    found = sign_flip_test(np.array(differences) / 30)  # tenths and thirds: sums that are equal but for rounding
    assert found.p == pytest.approx(p_by_enumeration(differences), abs=1e-15)
    assert found.exact
    assert found.draws == 2 ** np.count_nonzero(differences)


def test_equals_scipy():
    from scipy.stats import permutation_test

    differences = np.random.default_rng(0).normal(0.1, 0.3, 12)
    want = permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=np.inf, vectorized=True)
    assert sign_flip_test(differences).p == pytest.approx(want.pvalue, abs=1e-15)


def test_random_signs_agree_with_the_t_test_of_many_queries():
    from scipy.stats import ttest_1samp

    differences = np.random.default_rng(3).normal(0.012, 0.2, 1000)
    found = sign_flip_test(differences)
    assert (found.exact, found.draws) == (False, 100_000)
    assert found.p == pytest.approx(ttest_1samp(differences, 0).pvalue, abs=0.005)


def test_random_signs_agree_with_all_signs():
    differences = np.random.default_rng(1).normal(0.1, 0.3, EXACT)
    exact = sign_flip_test(differences)
    assert exact.exact
    almost = sign_flip_test(np.append(differences, 1e-9))  # one query more: drawn
    assert not almost.exact
    assert almost.p == pytest.approx(exact.p, abs=0.006)


@pytest.mark.parametrize("block", [1, 1000, 2**22])
def test_as_many_signs_are_drawn_as_are_asked_for(monkeypatch, block):
    """They are made a block at a time, and the last block is smaller."""
    monkeypatch.setattr(permutation, "_BLOCK", block)
    values = 2.0 ** np.arange(41)  # whose sums tell which signs were turned
    drawn = np.concatenate(list(permutation._random_sums(values, 999, 0)))
    turned = ((values.sum() - drawn) / 2).astype(np.int64)[:, None] >> np.arange(41) & 1
    assert turned.shape == (999, 41)
    assert np.abs(turned.mean(axis=0) - 0.5).max() < 5 * 0.5 / 999**0.5  # each sign in half of the draws, to five deviations


def test_p_is_never_zero():
    found = sign_flip_test(np.full(300, 0.1), draws=999)
    assert (found.p, found.draws) == (1 / 1000, 999)


def test_under_chance_p_is_as_small_as_it_says():
    rng = np.random.default_rng(0)
    chances = np.array([sign_flip_test(rng.normal(size=30), draws=999, seed=i).p for i in range(1000)])
    assert 0.03 < (chances <= 0.05).mean() < 0.07
    assert 0.45 < (chances <= 0.5).mean() < 0.55


def test_equal_runs_do_not_differ():
    assert sign_flip_test(np.zeros(5000)).p == 1.0


def test_the_seed_decides():
    differences = np.random.default_rng(0).normal(0.02, 0.2, 100)
    assert sign_flip_test(differences) == sign_flip_test(differences)
    assert sign_flip_test(differences) != sign_flip_test(differences, seed=1)


@pytest.mark.parametrize("differences", [np.zeros(0), np.array([1.0, np.nan]), np.zeros((2, 2))])
def test_what_cannot_be_tested(differences):
    with pytest.raises(BioDeepHashingError, match="cannot be tested"):
        sign_flip_test(differences)
