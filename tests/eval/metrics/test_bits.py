"""Balance and correlation of bits against NumPy's own correlation of ±1 columns."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biodeephashing.codes import pack
from biodeephashing.errors import BioDeepHashingError
from biodeephashing.eval.metrics import bit_statistics
from biodeephashing.eval.metrics.bits import BitCounts


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of NumPy, where a bit is dead
@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    items=st.integers(1, 150),
    bits=st.sampled_from([1, 2, 7, 8, 9, 64, 65, 130]),
    ones=st.sampled_from([0.0, 0.03, 0.5, 1.0]),
)
def test_equal_numpy(seed, items, bits, ones):
    values = np.where(np.random.default_rng(seed).random((items, bits)) < ones, 1, -1)
    found = bit_statistics(pack(values), bits)
    live = [len(set(column)) == 2 for column in values.T.tolist()]
    assert found.shares.tolist() == [(column == 1).mean() for column in values.T]
    assert found.live.tolist() == live
    assert found.correlations.shape == (bits, bits)
    want = np.corrcoef(values.T).reshape(bits, bits)
    want[~np.array(live)] = want[:, ~np.array(live)] = np.nan
    assert found.correlations == pytest.approx(want, abs=1e-12, nan_ok=True)


def test_bits_that_say_the_same_have_exactly_one():
    column = np.where(np.random.default_rng(0).random(1000) < 0.3, 1, -1)
    found = bit_statistics(pack(np.stack([column, column, -column], axis=1)), 3).correlations
    assert found.tolist() == [[1, 1, -1], [1, 1, -1], [-1, -1, 1]]


def test_by_hand():
    # n_0 = 2, n_1 = 1, n_01 = 1: (4 - 2) / sqrt(4 * 3)
    found = bit_statistics(pack(np.array([[1, 1], [1, -1], [-1, -1], [-1, -1]])), 2)
    assert found.shares.tolist() == [0.5, 0.25]
    assert found.correlations[0, 1] == pytest.approx(2 / 12**0.5)


def test_many_items_do_not_overflow():
    codes = np.zeros((200_000, 1), dtype=np.uint8)
    codes[::2] = 0b11000000
    codes[1::4] = 0b01000000
    found = bit_statistics(codes, 2)  # shares 1/2 and 3/4, both +1 in 1/2 of them
    assert found.correlations[0, 1] == pytest.approx((0.5 - 0.375) / (0.25 * 0.1875) ** 0.5)


@pytest.mark.parametrize(("items", "fits"), [(3_037_000_499, True), (3_037_000_500, False)])
def test_more_codes_than_products_of_counts_have_room_for(items, fits):
    counts = BitCounts(items, np.array([items // 2] * 2), np.full((2, 2), items // 2))
    if fits:
        assert counts.statistics().correlations.tolist() == [[1, 1], [1, 1]]
    else:
        with pytest.raises(BioDeepHashingError, match="3,037,000,500 codes"):
            counts.statistics()
