"""The per-class split against a literal restatement, and one-hot labels."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biodeephashing.data._splits import one_hot, per_class
from biodeephashing.errors import DataError


def literally(classes: list[int], number_of_classes: int, train: int, query: int, val: int) -> dict[str, list[int]]:
    """The published rule, step by step, with the module-level generator it was stated with."""
    random.seed(0)
    indices = list(range(len(classes)))
    random.shuffle(indices)
    fold_of = {}
    for wanted in range(number_of_classes):
        seen = 0
        for index in indices:
            if classes[index] == wanted:
                if seen < train:
                    fold_of[index] = "train"
                elif seen < train + query:
                    fold_of[index] = "query"
                elif seen < train + query + val:
                    fold_of[index] = "val"
                else:
                    fold_of[index] = "database"
                seen += 1
    return {fold: [i for i in range(len(classes)) if fold_of[i] == fold] for fold in ("train", "query", "val", "database")}


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 5), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.integers(1, 6), st.randoms(use_true_random=False))
def test_against_the_literal_rule(count: int, train: int, query: int, val: int, more: int, source: random.Random) -> None:
    classes = [number for number in range(count) for _ in range(train + query + val + source.randint(1, more))]
    source.shuffle(classes)
    folds = per_class(np.array(classes), {"train": train, "query": query, "val": val}, names=[str(c) for c in range(count)])
    assert {fold: rows.tolist() for fold, rows in folds.items()} == literally(classes, count, train, query, val)


def test_full_size() -> None:
    """60,000 labels, 6,000 of each of 10 classes: the sizes of the full data set, and the literal rule at that size."""
    classes = np.random.default_rng(0).permutation(np.arange(60_000) % 10)
    folds = per_class(classes, {"train": 500, "query": 100, "val": 100}, names=list("abcdefghij"))
    assert {fold: len(rows) for fold, rows in folds.items()} == {"train": 5000, "query": 1000, "val": 1000, "database": 53_000}
    assert np.array_equal(np.sort(np.concatenate(list(folds.values()))), np.arange(60_000))
    for fold, each in (("train", 500), ("query", 100), ("val", 100), ("database", 5300)):
        assert np.bincount(classes[folds[fold]]).tolist() == [each] * 10
    assert {fold: rows.tolist() for fold, rows in folds.items()} == literally(classes.tolist(), 10, 500, 100, 100)


def test_seed_does_not_touch_the_global_generator() -> None:
    random.seed(7)
    expected = random.random()
    random.seed(7)
    per_class(np.zeros(9, int), {"train": 2}, names=["a"])
    assert random.random() == expected


def test_class_too_small() -> None:
    with pytest.raises(DataError, match=r"class 'dog' has 3 images, too few for the split \(2 train \+ 1 query and at least 1 database\)"):
        per_class(np.array([0, 0, 0, 0, 1, 1, 1]), {"train": 2, "query": 1}, names=["cat", "dog"])
    with pytest.raises(DataError, match="class 'bird' has 0 images"):
        per_class(np.zeros(9, int), {"train": 2}, names=["cat", "bird"])


def test_one_hot() -> None:
    labels = one_hot(np.array([2, 0, 2]), 4)
    assert labels.dtype == np.uint8
    assert labels.tolist() == [[0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 1, 0]]
