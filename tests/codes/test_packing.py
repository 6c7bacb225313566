"""Binary codes against plain Python: bits as text, distances as counted characters."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.distance import cdist

from biodeephashing.codes import binarise, hamming, pack, unpack
from biodeephashing.errors import BioDeepHashingError

SIGNS = hnp.arrays(np.int8, st.tuples(st.integers(0, 12), st.integers(1, 70)), elements=st.sampled_from([-1, 1]))


def packed_by_text(codes):
    rows = []
    for code in codes.tolist():
        text = "".join("1" if bit > 0 else "0" for bit in code)
        text += "0" * (-len(text) % 8)
        rows.append([int(text[i : i + 8], 2) for i in range(0, len(text), 8)])
    return rows


@given(hnp.arrays(np.float32, st.tuples(st.integers(0, 9), st.integers(1, 20)), elements=st.floats(allow_nan=False, width=32)))
def test_binarise(features):
    codes = binarise(features)
    assert codes.dtype == np.int8
    assert codes.tolist() == [[1 if value >= 0 else -1 for value in row] for row in features.tolist()]


def test_zero_of_either_sign_and_infinity():
    assert binarise(np.array([[0.0, -0.0, 1e-45, -1e-45, np.inf, -np.inf]], np.float32)).tolist() == [[1, 1, 1, -1, 1, -1]]


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_binarise_takes_any_float(kind):
    assert binarise(np.array([[0.5, -0.5]], kind)).tolist() == [[1, -1]]


@pytest.mark.parametrize("function", [binarise, pack])
def test_a_feature_that_is_not_a_number_names_its_row(function):
    features = np.zeros((4, 3))
    features[2, 1] = np.nan
    with pytest.raises(BioDeepHashingError, match="row 2 of the features holds NaN"):
        function(features)


@given(SIGNS)
def test_pack_against_bits_as_text(codes):
    packed = pack(codes)
    assert packed.dtype == np.uint8
    assert packed.shape == (len(codes), -(-codes.shape[1] // 8))
    assert packed.tolist() == packed_by_text(codes)


@given(SIGNS)
def test_unpack_undoes_pack(codes):
    unpacked = unpack(pack(codes), codes.shape[1])
    assert unpacked.dtype == np.int8
    np.testing.assert_array_equal(unpacked, codes)


def test_features_and_their_codes_pack_alike():
    features = np.random.default_rng(0).standard_normal((20, 13)).astype(np.float32)
    features[:, 3] = 0.0
    np.testing.assert_array_equal(pack(features), pack(binarise(features)))
    np.testing.assert_array_equal(pack(np.array([[0, 1, -1]])), pack(np.array([[1, 1, -1]])))  # zero counts as +1


@pytest.mark.parametrize("bits", [0, 7, 8, 17, 24])
def test_a_width_that_does_not_belong_to_the_bits(bits):
    with pytest.raises(BioDeepHashingError, match=f"codes of {bits} bits take {(bits + 7) // 8} bytes a row, not 2"):
        unpack(np.zeros((3, 2), np.uint8), bits)


@given(st.integers(1, 80), st.integers(1, 8), st.integers(1, 8), st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_hamming_against_scipy(bits, queries, database, seed):
    rng = np.random.default_rng(seed)
    left, right = rng.choice([-1, 1], (queries, bits)), rng.choice([-1, 1], (database, bits))
    distances = hamming(pack(left), pack(right))
    assert distances.dtype == np.int16
    np.testing.assert_array_equal(distances, np.rint(cdist(left, right, "hamming") * bits))
    np.testing.assert_array_equal(distances, hamming(pack(right), pack(left)).T)
    np.testing.assert_array_equal(distances, (bits - left @ right.T) // 2)


def test_hamming_by_hand():
    # 10110000 against 10110000, 01001111 (its complement) and 10010001 (two bits differ)
    queries = np.array([[0b10110000]], np.uint8)
    database = np.array([[0b10110000], [0b01001111], [0b10010001]], np.uint8)
    assert hamming(queries, database).tolist() == [[0, 8, 2]]


def test_the_longest_codes_do_not_overflow():
    ones = np.ones((1, 1024), np.int8)
    assert hamming(pack(ones), pack(-ones)).tolist() == [[1024]]


def test_no_rows():
    empty = np.zeros((0, 2), np.uint8)
    assert hamming(empty, np.zeros((3, 2), np.uint8)).shape == (0, 3)
    assert hamming(np.zeros((3, 2), np.uint8), empty).shape == (3, 0)


def test_codes_of_different_width():
    with pytest.raises(BioDeepHashingError, match=r"codes of different width .*queries \(1, 2\), database \(4, 3\)"):
        hamming(np.zeros((1, 2), np.uint8), np.zeros((4, 3), np.uint8))
