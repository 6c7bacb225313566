"""Distinct codes, equal pairs and collisions over shards against those of all codes joined, and of a loop over all pairs."""

from __future__ import annotations

import errno
import io
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biodeephashing.errors import BioDeepHashingError
from biodeephashing.eval.merging import PackedItems, count_equal_codes
from biodeephashing.eval.metrics import code_health
from biodeephashing.eval.metrics.bundles import EqualCodes

NOTHING = EqualCodes(0, 0, 0)


def by_loops(codes: np.ndarray, labels: np.ndarray) -> EqualCodes:
    equal = [(i, j) for i, j in combinations(range(len(codes)), 2) if (codes[i] == codes[j]).all()]
    return EqualCodes(len({code.tobytes() for code in codes}), len(equal), sum(not (labels[i] & labels[j]).any() for i, j in equal))


def cut(codes: np.ndarray, labels: np.ndarray, cuts: list[int], bits: int) -> list[PackedItems]:
    borders = zip([0, *cuts], [*cuts, len(codes)], strict=True)
    return [PackedItems(codes[a:b], np.packbits(labels[a:b], axis=1), bits, labels.shape[1]) for a, b in borders]


@settings(max_examples=100)
@given(
    seed=st.integers(0, 2**31),
    bits=st.one_of(st.integers(1, 20), st.sampled_from([63, 64, 65, 130])),
    classes=st.sampled_from([0, 1, 2, 9, 70]),
    distinct=st.integers(1, 20),
    labelled=st.sampled_from([0.0, 0.1, 0.5]),
    cuts=st.lists(st.integers(0, 50), max_size=5).map(sorted),
    buckets=st.sampled_from([1, 2, 3, 7, 100]),
)
def test_the_numbers_are_those_of_the_joined_codes(seed, bits, classes, distinct, labelled, cuts, buckets):
    rng = np.random.default_rng(seed)
    codes = np.packbits(rng.random((distinct, bits)) < 0.5, axis=1)[rng.integers(0, distinct, 50)]
    labels = (rng.random((50, classes)) < labelled).astype(np.uint8)
    got, health = count_equal_codes(iter(cut(codes, labels, cuts, bits)), buckets), code_health(codes, bits, labels)
    assert got == by_loops(codes, labels)
    assert (got.unique_codes, got.equal_pairs) == (health.unique_codes, health.equal_pairs)
    assert (got.apart / got.equal_pairs if got.equal_pairs else None) == health.collisions


def test_by_hand():
    # Code 1 has the classes a, b | a, none: of its six pairs only the two items of class a share one. Code 2 has one item.
    codes = np.array([[1], [1], [2], [1], [1]], np.uint8)
    labels = np.array([[1, 0], [0, 1], [1, 0], [1, 0], [0, 0]], np.uint8)
    for buckets in (1, 2, 5):
        assert count_equal_codes(cut(codes, labels, [2], 8), buckets) == EqualCodes(unique_codes=2, equal_pairs=6, apart=5)


def test_no_shards_and_empty_shards():
    none = cut(np.empty((0, 2), np.uint8), np.empty((0, 3), np.uint8), [0], 12)
    assert count_equal_codes([], 3) == count_equal_codes(none, 3) == NOTHING


def test_one_code_for_all_items_of_many_shards():
    shard = PackedItems(np.zeros((60_000, 8), np.uint8), np.full((60_000, 1), 128, np.uint8), 64, 1)
    pairs = 300_000 * 299_999 // 2  # more than 32 bits count
    assert count_equal_codes([shard] * 5, 5) == EqualCodes(1, pairs, 0)


def test_nothing_stays(tmp_path: Path):
    shards = cut(np.ones((4, 1), np.uint8), np.ones((4, 1), np.uint8), [2], 8)

    def damaged():
        yield shards[0]
        raise BioDeepHashingError("part-00001 is damaged")

    count_equal_codes(shards, 2, tmp_path)
    with pytest.raises(BioDeepHashingError, match="part-00001"):
        count_equal_codes(damaged(), 2, tmp_path)
    assert not [*tmp_path.iterdir()]


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    class Full(io.BytesIO):
        def write(self, content: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", lambda dir: Full())
    with pytest.raises(OSError, match=tmp_path.name):
        count_equal_codes(cut(np.ones((4, 1), np.uint8), np.ones((4, 1), np.uint8), [], 8), 2, tmp_path)
