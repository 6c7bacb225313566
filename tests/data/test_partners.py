"""Items drawn together: against all similarities, one by one; uniform; a function of seed and epoch."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import paired_dataset
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from biodeephashing.data import ImageFold, load_fold, loader
from biodeephashing.data.partners import Partners
from biodeephashing.data.samples import Samples, load_samples
from biodeephashing.errors import DataError, UnknownNameError, UsageError

TABLES = arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=8), elements=st.integers(0, 1))


def possible(labels: np.ndarray, mode: str, present: np.ndarray, row: int) -> set[tuple[int, ...]]:
    """Return all partners that an item may have, by looking at every pair of items."""
    items = [int(item) for item in np.flatnonzero(present)]
    others = [item for item in items if item != row]
    similar = {(one, other): bool((labels[one] & labels[other]).any()) for one in items for other in items}
    if mode == "single":
        return {()}
    if mode == "pairwise":
        return {(other,) for other in others}
    positives = [item for item in others if similar[row, item]]
    negatives = [item for item in others if not similar[row, item]]
    if mode == "triplet":
        return {(positive, negative) for positive in positives for negative in negatives}
    pairs = [(one, two) for one in negatives for two in negatives if one != two and not similar[one, two]]
    return {(positive, *pair) for positive in positives for pair in pairs}


@settings(max_examples=150, deadline=None)
@given(TABLES, st.sampled_from(["single", "pairwise", "triplet", "quadruplet"]), st.integers(0, 3), st.data())
def test_partners_are_possible_and_nobody_who_has_some_is_left_out(labels: np.ndarray, mode: str, epoch: int, data: st.DataObject) -> None:
    present = np.array(data.draw(st.lists(st.booleans(), min_size=len(labels), max_size=len(labels))))
    partners = Partners(labels, mode, present=present, seed=5)
    all_possible = {int(row): possible(labels, mode, present, int(row)) for row in np.flatnonzero(present)}
    assert partners.anchors.tolist() == [row for row, ways in all_possible.items() if ways]
    drawn = partners.drawn(epoch)
    for row in partners.anchors.tolist():
        assert tuple(drawn[row].tolist()) in all_possible[row]
    assert np.array_equal(drawn, Partners(labels, mode, present=present, seed=5).drawn(epoch))


def test_left_out_by_hand() -> None:
    """An item without label, one alone in its class, and one that shares a class with everything that has one."""
    labels = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0], [1, 1, 0]])
    partners = Partners(labels, "triplet")
    assert partners.anchors.tolist() == [0, 1, 2, 4]  # even the last one is unlike the item without label
    assert str(partners) == "4 of 5 items as anchors; without a positive 1, without a negative 0"
    labelled = Partners(labels, "triplet", present=np.array([True, True, True, False, True]))
    assert labelled.anchors.tolist() == [0, 1, 2]
    assert str(labelled) == "3 of 4 items as anchors; without a positive 0, without a negative 1"
    assert Partners(labels, "quadruplet").anchors.tolist() == [0, 1, 2]  # 0 and 1 with 2 and 3, and 2 with 3 and one of them
    assert set(map(tuple, Partners(labels, "quadruplet").drawn(3)[:2, 1:].tolist())) <= {(2, 3), (3, 2)}
    assert str(Partners(labels, "pairwise")) == "5 of 5 items as anchors"


@pytest.mark.parametrize("mode", ["pairwise", "triplet", "quadruplet"])
def test_every_possible_partner_is_as_likely(mode: str) -> None:
    """Of 600 epochs each of the k partners an item may have comes 600/k times; five deviations are allowed."""
    labels = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]])
    partners = Partners(labels, mode)
    drawn = np.stack([partners.drawn(epoch) for epoch in range(600)])
    ways = possible(labels, mode, np.ones(8, dtype=bool), 0)
    for column in range(drawn.shape[2] if mode != "quadruplet" else 1):
        counts, expected = Counter(drawn[:, 0, column].tolist()), {way[column] for way in ways}
        assert set(counts) == expected
        deviation = (600 * (1 / len(expected)) * (1 - 1 / len(expected))) ** 0.5
        assert all(abs(count - 600 / len(expected)) < 5 * deviation + 1e-9 for count in counts.values())
    assert {tuple(row) for row in drawn[:, 0].tolist()} == ways


def test_no_matrix_of_all_pairs_and_each_epoch_anew() -> None:
    labels = (np.random.default_rng(0).random((30_000, 24)) < 0.1).astype(np.uint8)  # all pairs would take 900 MB
    partners = Partners(labels, "quadruplet", seed=1)
    first, second = partners.drawn(0)[partners.anchors], partners.drawn(1)[partners.anchors]
    assert len(partners.anchors) == (labels.sum(axis=1) > 0).sum()
    assert (first == second).mean() < 0.01
    positive, one, two = (labels[column] for column in second.T)
    anchor = labels[partners.anchors]
    assert (anchor & positive).any(axis=1).all()
    assert not ((anchor & one) | (anchor & two) | (one & two)).any()


def test_modes_have_names() -> None:
    with pytest.raises(UnknownNameError, match="triplet"):
        Partners(np.eye(2), "tripled")


KEYS = {
    "single": set(),
    "pairwise": {"ano_index", "ano_label", "ano_img", "ano_txt"},
    "triplet": {f"{role}_{key}" for role in ("pos", "neg") for key in ("index", "label", "img", "txt")},
    "quadruplet": {
        f"{role}_{key}{number}" for role, number in (("pos", ""), ("neg", 1), ("neg", 2)) for key in ("index", "label", "img", "txt")
    },
}


@pytest.mark.parametrize("views", [("img", "txt"), ("img",), ("txt",)])
@pytest.mark.parametrize("mode", KEYS)
def test_samples_are_dictionaries(project_home: Path, mode: str, views: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    name = paired_dataset.prepare_pairs(without_image=(3,), without_text=(5,))
    if "img" not in views:
        monkeypatch.setattr(ImageFold, "batch", None)  # nothing decodes an image
    samples = load_samples(name, mode, views=views, seed=2)
    metadata, keys = load_fold(name, "train"), {"index", "label", "img", "txt"} | KEYS[mode]
    assert set(samples[0]) == {key for key in keys if not any(view in key for view in {"img", "txt"} - set(views))}
    assert len(samples) == 20 - len(views)
    absent = {{"img": 3, "txt": 5}[view] for view in views}
    for item in map(samples.__getitem__, range(len(samples))):
        for key in (key for key in item if "index" in key):
            row = item[key]
            assert row not in absent
            assert item[key.replace("index", "label")].tolist() == metadata.labels[row].tolist()
            for view, shape in (("img", (3, 32, 32)), ("txt", (10,))):
                if view in views:
                    assert torch.equal(item[key.replace("index", view)], samples.views[view][row][0])
                    assert item[key.replace("index", view)].shape == shape


def test_batches_of_samples_have_the_partners_of_their_epoch(project_home: Path) -> None:
    samples = load_samples(paired_dataset.prepare_pairs(), "triplet", views=("txt",), seed=2)
    feed = loader(samples, batch_size=8, shuffle=True, seed=1)
    feed.sampler.set_epoch(3)
    rows = []
    for batch in feed:
        assert torch.equal(
            torch.stack([batch["pos_index"], batch["neg_index"]], 1), torch.from_numpy(samples.partners.drawn(3)[batch["index"]])
        )
        rows += batch["index"].tolist()
    assert sorted(rows) == samples.partners.anchors.tolist()
    before = samples[4]
    samples.set_epoch(3)
    assert samples[4]["index"] == before["index"]
    assert (samples[4]["pos_index"], samples[4]["neg_index"]) == tuple(samples.partners.drawn(3)[samples[4]["index"]].tolist())


def test_samples_refuse_what_does_not_fit(project_home: Path, tiny_database: str) -> None:
    name = paired_dataset.prepare_pairs()
    with pytest.raises(UnknownNameError, match="img, txt"):
        load_samples(name, views=("image",))
    with pytest.raises(UsageError, match="same items"):
        load_samples(name, views=())
    with pytest.raises(UsageError, match=r"\[20, 32\]"):
        Samples({"img": ImageFold(load_fold(tiny_database, "train"), "none"), "txt": load_samples(name, views=("txt",)).views["txt"]})
    with pytest.raises(DataError, match="texts"):
        load_samples(tiny_database)
