"""The per-class split against a literal restatement, and one-hot labels."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biodeephashing.data.prepare.splits import merge_folds, one_hot, overlaps, per_class, per_label, random_split
from biodeephashing.errors import DataError


def literally(classes: list[int], number_of_classes: int, train: int, query: int, val: int) -> dict[str, list[int]]:
    """The published rule, step by step, with the module-level generator it was stated with."""
    random.seed(0)
    indices = list(range(len(classes)))
    random.shuffle(indices)
    fold_of = {}
    for number in range(number_of_classes):
        seen = 0
        for index in indices:
            if classes[index] == number:
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
    """60,000 labels, 6,000 of each of 10 classes: the sizes of the full dataset, and the literal rule at that size."""
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


def dealt_literally(count: int, sizes: list[tuple[str, int]]) -> list[str]:
    """The published rule of COCO and NUS-WIDE: shuffle a list of fold names and assign them in order."""
    names: list[str] = []
    for fold, size in sizes:
        names += [fold] * size
    names += ["database"] * (count - len(names))
    random.seed(0)
    random.shuffle(names)
    return names


@pytest.mark.parametrize(
    ("count", "train", "query", "val", "rest"),
    [
        (123_287, 10_000, 5_000, 5_000, 103_287),  # MS COCO, all images
        (122_218, 10_000, 5_000, 5_000, 102_218),  # those with a label
        (195_834, 10_500, 2_100, 2_100, 181_134),  # NUS-WIDE
        (25_000, 4_000, 1_000, 1_000, 19_000),  # MIRFLICKR
        (11_540, 4_000, 1_000, 1_000, 5_540),  # VOC 2012
        (7, 1, 2, 3, 1),
    ],
)
def test_dealing_at_full_size(count: int, train: int, query: int, val: int, rest: int) -> None:
    folds = random_split(count, {"train": train, "query": query, "val": val})
    assert {fold: len(rows) for fold, rows in folds.items()} == {"train": train, "query": query, "val": val, "database": rest}
    names = dealt_literally(count, [("train", train), ("query", query), ("val", val)])
    assert all(names[row] == fold for fold, rows in folds.items() for row in rows)


def test_too_few_to_deal() -> None:
    with pytest.raises(DataError, match=r"there are 3 items, too few for the split \(2 train \+ 1 query and at least 1 database\)"):
        random_split(3, {"train": 2, "query": 1})


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 2), st.integers(0, 2**32 - 1))
def test_labels_are_walked_from_the_rarest(classes: int, train: int, query: int, seed: int) -> None:
    labels = (np.random.default_rng(seed).random((60, classes)) < 0.5).astype(np.uint8)
    labels[:, 0] = np.arange(60) % 3 == 0
    taken: dict[int, str] = {}
    order = list(range(60))
    random.seed(0)
    random.shuffle(order)
    for _, column in sorted((int(labels[:, column].sum()), column) for column in range(classes)):
        for fold, size in (("train", train), ("query", query)):
            for row in [row for row in order if labels[row, column] and row not in taken][:size]:
                taken[row] = fold
    if len(taken) < classes * (train + query):
        with pytest.raises(DataError, match="too few for the split"):
            per_label(labels, {"train": train, "query": query}, names=list("abcd"))
        return
    folds = per_label(labels, {"train": train, "query": query}, names=list("abcd"))
    assert {int(row): fold for fold, rows in folds.items() for row in rows} == {row: taken.get(row, "database") for row in range(60)}
    assert len(folds["query"]) == classes * query


def test_a_label_with_just_as_many_images_as_are_drawn() -> None:
    folds = per_label(np.array([[1], [1], [0]]), {"train": 1, "query": 1}, names=["sky"])
    assert sorted([*folds["train"], *folds["query"]]) == [0, 1]
    assert folds["database"].tolist() == [2]


def test_a_label_too_rare() -> None:
    with pytest.raises(DataError, match=r"class 'sun' has 1 images that no rarer class took, too few for the split \(1 train \+ 1 query\)"):
        per_label(np.array([[1, 0], [1, 1], [1, 0]]), {"train": 1, "query": 1}, names=["sky", "sun"])


def test_sharing_by_hand() -> None:
    folds = {"train": np.array([4, 1]), "val": np.array([2]), "query": np.array([0]), "database": np.array([3, 5])}
    assert overlaps(folds) == {}
    shared = merge_folds(folds, ["train-database", "val-database"])
    assert shared["database"].tolist() == [1, 2, 3, 4, 5]
    assert folds["database"].tolist() == [3, 5]
    assert overlaps(shared) == {"train-database": 2, "val-database": 1}


@pytest.mark.parametrize(
    ("pairs", "database", "shared"),
    [
        ([], 53_000, {}),
        (["val-database"], 54_000, {"val-database": 1000}),
        (["train-database", "val-database"], 59_000, {"train-database": 5000, "val-database": 1000}),
    ],
)
def test_cifar_databases_at_full_size(pairs: list[str], database: int, shared: dict[str, int]) -> None:
    drawn = per_class(np.arange(60_000) % 10, {"train": 500, "query": 100, "val": 100}, names=list("abcdefghij"))
    folds = merge_folds(drawn, pairs)
    assert len(folds["database"]) == database
    assert overlaps(folds) == shared
