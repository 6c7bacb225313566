"""The health of codes against slow, obvious loops over every pair of items and every pair of bits."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biodeephashing.codes import pack
from biodeephashing.errors import BioDeepHashingError
from biodeephashing.eval.metrics import CodeHealth, code_health


def entropy(column: list[bool]) -> float:
    shares = [sum(column) / len(column), 1 - sum(column) / len(column)]
    return -sum(share * math.log2(share) for share in shares if share)


def health_by_loops(bits: np.ndarray, labels: np.ndarray) -> CodeHealth:
    columns = [[bool(x) for x in column] for column in bits.T]
    entropies = [entropy(column) for column in columns]
    live = [column for column in columns if len(set(column)) == 2]
    correlations = [abs(np.corrcoef(a, b)[0, 1]) for a, b in combinations(live, 2)]
    equal = [(i, j) for i, j in combinations(range(len(bits)), 2) if (bits[i] == bits[j]).all()]
    apart = [1 for i, j in equal if not any(a and b for a, b in zip(labels[i], labels[j], strict=True))]
    return CodeHealth(
        unique_codes=len({tuple(row) for row in bits}),
        entropy_mean=sum(entropies) / len(entropies),
        entropy_least=min(entropies),
        dead_bits=[k for k, column in enumerate(columns) if len(set(column)) == 1],
        correlation_mean=float(np.mean(correlations)) if correlations else None,
        equal_pairs=len(equal),
        collisions=len(apart) / len(equal) if equal else None,
    )


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    items=st.integers(1, 40),
    bits=st.one_of(st.integers(1, 20), st.just(70)),
    classes=st.sampled_from([1, 2, 9, 70]),
    ones=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    labelled=st.sampled_from([0.0, 0.1, 0.5]),
)
def test_equals_the_loops(seed, items, bits, classes, ones, labelled):
    rng = np.random.default_rng(seed)
    codes = rng.random((items, bits)) < ones
    codes[items // 2 :] = codes[: items - items // 2]  # many equal codes
    labels = (rng.random((items, classes)) < labelled).astype(np.uint8)
    found, want = code_health(np.packbits(codes, axis=1), bits, labels), health_by_loops(codes, labels)
    for name, value in vars(want).items():
        assert getattr(found, name) == (pytest.approx(value, abs=1e-12) if isinstance(value, float) else value), name


def test_by_hand():
    # bit 0 is balanced, bit 1 is +1 in one of four, bit 2 never changes; items 0, 1, 3 have the same code
    codes = pack(np.array([[1, -1, 1], [1, -1, 1], [-1, 1, 1], [1, -1, 1]]))
    labels = np.array([[1, 0], [0, 1], [0, 1], [1, 1]])
    health = code_health(codes, 3, labels)
    quarter = 0.25 * 2 + 0.75 * math.log2(4 / 3)
    assert health.unique_codes == 2
    assert health.dead_bits == [2]
    assert (health.entropy_mean, health.entropy_least) == (pytest.approx(2 * quarter / 3), 0.0)
    assert health.correlation_mean == pytest.approx(1.0)  # bit 1 is bit 0 turned round
    assert (health.equal_pairs, health.collisions) == (3, pytest.approx(1 / 3))  # of (0, 1), (0, 3) and (1, 3) only the first


def test_items_without_a_class_collide_with_everything_of_their_code():
    health = code_health(np.zeros((3, 1), dtype=np.uint8), 8, np.array([[0, 0], [0, 0], [1, 0]]))
    assert (health.equal_pairs, health.collisions) == (3, 1.0)


def test_a_whole_database_of_one_code():
    labels = np.eye(10, dtype=np.uint8)[np.arange(60_000) % 10]
    health = code_health(np.zeros((60_000, 8), dtype=np.uint8), 64, labels)
    pairs = 60_000 * 59_999 // 2
    assert health.equal_pairs == pairs
    assert health.collisions == pytest.approx((pairs - 10 * 6_000 * 5_999 // 2) / pairs)
    assert health.dead_bits == list(range(64))
    assert (health.entropy_least, health.correlation_mean) == (0.0, None)


def test_zero_bytes_at_the_end_of_a_code_count():
    codes = np.array([[1, 0], [1, 0], [1, 1], [0, 0]], dtype=np.uint8)
    assert code_health(codes, 16, np.ones((4, 1))).unique_codes == 3


@pytest.mark.parametrize("classes", [5, 64])
@pytest.mark.parametrize("order", [np.asfortranarray, lambda array: np.repeat(array, 2, axis=0)[::2], lambda array: array[::-1][::-1]])
def test_the_layout_of_arrays_does_not_matter(order, classes):
    rng = np.random.default_rng(1)
    codes, labels = rng.integers(0, 2, (50, 2), dtype=np.uint8), rng.integers(0, 2, (50, classes), dtype=np.uint8)
    assert code_health(order(codes), 16, order(labels)) == code_health(codes, 16, labels)


@pytest.mark.parametrize(("items", "bits", "rows"), [(0, 8, 0), (2, 9, 2), (2, 8, 3)])
def test_what_does_not_belong_together_is_refused(items, bits, rows):
    with pytest.raises(BioDeepHashingError, match="do not belong together"):
        code_health(np.zeros((items, 1), dtype=np.uint8), bits, np.ones((rows, 2)))
