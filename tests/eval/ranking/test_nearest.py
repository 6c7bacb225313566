"""The nearest items against a sort of the whole database, and which queries are shown."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking_oracle import Sample

from biodeephashing.eval import RetrievalTask
from biodeephashing.eval.ranking import choose_queries, nearest_items


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    database=st.integers(1, 40),
    bits=st.sampled_from([1, 3, 8, 70]),
    count=st.sampled_from([1, 10, 50]),
)
def test_equal_a_sort_of_everything(seed, database, bits, count):
    sample = Sample(seed, 3, database, bits)
    pairs = RetrievalTask(*sample.arrays)
    for query, (distances, relevance, _) in enumerate(sample.per_query()):
        order = sorted(range(database), key=lambda row: (distances[row], row))[:count]
        found = nearest_items(pairs, query, count)
        assert found.query == query
        assert found.rows.tolist() == order
        assert found.distances.tolist() == [distances[row] for row in order]
        assert found.relevant.tolist() == [bool(relevance[row]) for row in order]


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**31), queries=st.integers(1, 60), classes=st.integers(1, 12), count=st.integers(1, 12))
def test_single_classes_are_shown_in_turn(seed, queries, classes, count):
    columns = np.random.default_rng(seed).integers(0, classes, queries)
    rows = choose_queries(np.eye(classes, dtype=np.uint8)[columns], count)
    assert rows == sorted(set(rows))
    assert len(rows) == min(count, queries)
    shown, there = np.bincount(columns[rows], minlength=classes), np.bincount(columns, minlength=classes)
    least = min(shown[column] for column in range(classes) if shown[column] < there[column]) if (shown < there).any() else queries
    assert all(times <= least + 1 for times in shown)


def test_queries_of_one_class_are_spread_evenly():
    assert choose_queries(np.ones((101, 1), dtype=np.uint8), 5) == [0, 25, 50, 75, 100]


def test_a_fold_sorted_by_class_gives_every_class():
    assert choose_queries(np.eye(10, dtype=np.uint8)[np.repeat(np.arange(10), 100)], 10) == pytest.approx(np.linspace(0, 999, 10), abs=60)


def test_images_without_a_class_are_shown_like_a_class():
    labels = np.array([[0, 0], [0, 0], [0, 0], [1, 0], [1, 1], [0, 1]], dtype=np.uint8)
    assert choose_queries(labels, 3) == [0, 3, 5]


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_a_fold_of_one(count):
    assert choose_queries(np.zeros((1, 4), dtype=np.uint8), count) == [0]
