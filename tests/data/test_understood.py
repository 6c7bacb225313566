"""The line that says what labels were understood to be, against a slow count, and what is doubtful about them."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from biodeephashing.data.prepare.labels import alike, describe, doubts, few


@given(st.integers(2, 30), st.integers(2, 12), st.floats(0, 1), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=50)
def test_against_a_loop(rows: int, classes: int, share: float, seed: int) -> None:
    labels = (np.random.default_rng(seed).random((rows, classes)) < share).astype(np.uint8)
    names = [f"c{column}" for column in range(classes)]
    line = describe(labels, names, "0/1 vectors")
    sets = [tuple(name for name, label in zip(names, row, strict=True) if label) for row in labels.tolist()]
    sizes, together = (
        [len(labels_of_row) for labels_of_row in sets],
        Counter(labels_of_row for labels_of_row in sets if len(labels_of_row) > 1),
    )
    several = sum(together.values())
    assert line.startswith(f"{rows} images, {classes} classes (c0")
    assert f"c{classes - 1}), {min(sizes)}" in line
    assert (f" to {max(sizes)} class" in line) == (min(sizes) < max(sizes))
    assert (f", {several} image{'s' * (several > 1)} with several (" in line) == (several > 0)
    if several:
        shown, _, count = line.partition("most often ")[2].partition(")")[0].rpartition(": ")
        assert together[tuple(shown.split(" + "))] == int(count) == max(together.values())
    assert line.endswith(", labels as 0/1 vectors")


def test_many_and_long_names() -> None:
    names = [f"{number:03d}" + "x" * 100 for number in range(300)]
    line = describe(np.eye(300, dtype=np.uint8), names)
    assert line.startswith("300 images, 300 classes (000xxx")
    assert "…, … 299xxx" in line
    assert len(line) < 300
    assert few([str(number) for number in range(1000, 3000)]) == "1000, 1001, 1002 and 1,997 more"


def test_names_that_look_alike() -> None:
    assert list(alike(["cat", "cats", "dog", "hot dog", "0", "00x", "10", "1", "-1"])) == []
    cases = [["Cat", "cat"], ["hot dog", "hot-dog"], ["07", "7"], ["häuser", "ha\u0308user"]]
    for case in cases:
        assert list(alike(["house", *case, "sea"])) == [f"different classes with nearly the same name: {case[0]!r} and {case[1]!r}"], case


def test_classes_that_cannot_be_found() -> None:
    labels = np.eye(3, dtype=np.uint8)
    remarks = list(doubts({"train": labels[:2], "query": labels[1:], "database": labels[2:]}, ["a", "b", "c"]))
    assert remarks == [
        "classes of the queries without an image in train: 1 (c)",
        "classes of the queries without an image in database: 1 (b)",
        "classes of train without an image in database: 2 (a, b)",
    ]
