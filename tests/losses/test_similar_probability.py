"""The share of similar pairs against the full matrix over all pairs."""

import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from biodeephashing.errors import DataError
from biodeephashing.losses import similar_probability


def by_matrix(labels):
    labels = labels.astype(np.int64)
    return float(Fraction(int((labels @ labels.T > 0).sum()), len(labels) ** 2))


@given(hnp.arrays(np.bool_, st.tuples(st.integers(1, 40), st.integers(1, 150))))
@settings(max_examples=100, deadline=None)
def test_against_the_full_matrix(labels):
    assert similar_probability(labels) == by_matrix(labels)


@pytest.mark.parametrize(("rows", "classes", "density"), [(3000, 20, 0.1), (9000, 90, 0.03), (500, 64, 0.02), (700, 65, 0.5)])
def test_against_the_full_matrix_over_many_tiles(rows, classes, density):
    labels = np.random.default_rng(0).random((rows, classes)) < density
    expected = labels.astype(np.float32)
    assert similar_probability(labels) == (expected @ expected.T > 0).mean(dtype=np.float64)


def test_by_hand():
    # rows A, AB, B, none: similar ordered pairs A-A, A-AB, AB-A, AB-AB, AB-B, B-AB, B-B: 7 of 16
    assert similar_probability(np.array([[1, 0], [1, 1], [0, 1], [0, 0]])) == 7 / 16


@given(st.lists(st.integers(0, 9), min_size=1, max_size=300))
def test_one_class_per_row_is_the_sum_of_squared_shares(classes):
    counts = np.bincount(classes, minlength=10)
    assert similar_probability(np.eye(10)[classes]) == int((counts**2).sum()) / len(classes) ** 2


@pytest.mark.parametrize(("labels", "expected"), [(np.zeros((3, 2)), 0.0), (np.ones((3, 2)), 1.0), (np.array([[1]]), 1.0)])
def test_extremes(labels, expected):
    assert similar_probability(labels) == expected


@pytest.mark.parametrize("kind", [torch.bool, torch.uint8, torch.int64, torch.float32, torch.float64])
def test_tensors_and_arrays_of_any_type(kind):
    labels = np.random.default_rng(1).integers(0, 2, (50, 7))
    assert similar_probability(torch.tensor(labels).to(kind)) == similar_probability(labels.astype(np.uint8)) == by_matrix(labels)


def test_order_of_the_rows_does_not_matter():
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 2, (200, 12))
    assert similar_probability(rng.permutation(labels)) == similar_probability(labels)


def test_a_large_set_takes_little_memory():
    rng = np.random.default_rng(3)
    pool = rng.random((3000, 80)) < 0.04
    labels = pool[rng.integers(0, len(pool), 100_000)]
    tracemalloc.start()
    try:
        probability = similar_probability(labels)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 64 * 2**20  # all pairs would take 10 GB as bytes
    sets, counts = np.unique(labels, axis=0, return_counts=True)
    shares = (sets.astype(np.float32) @ sets.T.astype(np.float32) > 0).astype(np.int64)
    assert probability == int(counts @ shares @ counts) / 100_000**2


@pytest.mark.parametrize("labels", [np.zeros((0, 3)), np.zeros((3, 0)), np.zeros(5), np.zeros((2, 2, 2))])
def test_wrong_shapes(labels):
    with pytest.raises(DataError, match="shape"):
        similar_probability(labels)


@pytest.mark.parametrize("bad", [2, -1, 0.5, float("nan")])
def test_other_values_than_0_and_1(bad):
    with pytest.raises(DataError, match="0 and 1"):
        similar_probability(np.array([[0.0, 1.0], [bad, 0.0]]))
