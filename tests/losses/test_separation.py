"""Distances of linear codes: quoted values, bounds, and real codes counted word by word."""

from itertools import combinations_with_replacement

import pytest
from many_cases import each_case

from biodeephashing.errors import UsageError
from biodeephashing.losses import LOSSES
from biodeephashing.losses._separation import BEST_KNOWN, ORBIT_CODES, code_distance, griesmer_length, orbit_code, separation

SHAPES = [(bits, k) for k in range(1, 11) for bits in range(k, 257)]


def least_weight(columns, k):
    """Count the ones of all words but 0, each a sum of rows of the generator matrix with these columns."""
    return min(sum((column & word).bit_count() % 2 for column in columns) for word in range(1, 2**k))


@pytest.mark.parametrize(
    ("bits", "classes", "expected"),
    [
        (16, 10, 0.0),
        (16, 16, 0.0),
        (16, 21, 0.0),
        (16, 100, 0.25),
        (32, 100, 0.125),
        (48, 100, 1 / 12),
        (64, 100, 0.0),
        (16, 65, 0.25),
        (16, 128, 0.25),
        (64, 1, -1.0),
        (64, 2, -1.0),
        (256, 512, 0.0),
        (8, 256, 0.75),
    ],
)
def test_quoted_values(bits, classes, expected):
    assert separation(bits, classes) == pytest.approx(expected, abs=1e-15)


def test_the_table_stays_as_it_is():
    for bits, row in BEST_KNOWN.items():
        assert tuple(code_distance(bits, k) for k in range(1, 9)) == row


def test_no_distance_exceeds_the_bound_of_griesmer():
    for bits, k in SHAPES:
        assert griesmer_length(code_distance(bits, k), k) <= bits, (bits, k)


def test_up_to_four_dimensions_the_bound_is_met():
    for bits, k in SHAPES:
        if k <= 4:
            assert griesmer_length(code_distance(bits, k) + 1, k) > bits, (bits, k)


def test_a_bit_more_adds_at_most_one_and_never_takes():
    for bits, k in SHAPES:
        if bits < 256:
            assert 0 <= code_distance(bits + 1, k) - code_distance(bits, k) <= 1, (bits, k)


def test_more_words_are_never_farther_apart():
    for bits, k in SHAPES:
        if k > 1:
            assert 1 <= code_distance(bits, k) <= code_distance(bits, k - 1), (bits, k)


def test_an_odd_distance_gains_by_a_parity_bit():
    for bits, k in SHAPES:
        if bits < 256 and code_distance(bits, k) % 2:
            assert code_distance(bits + 1, k) > code_distance(bits, k), (bits, k)


@pytest.mark.parametrize("k", range(1, 11))
def test_codes_that_everyone_knows(k):
    assert code_distance(k, k) == 1  # all words
    assert code_distance(k + 1, k) == 2  # those of even weight
    if k <= 8:
        assert code_distance(2**k - 1, k) == 2 ** (k - 1)  # simplex
    if k <= 9:
        assert code_distance(2 ** (k - 1), k) == max(1, 2 ** (k - 2))  # Reed and Muller, first order


@each_case("bits, k", [(bits, k) for k in (1, 2, 3) for bits in range(k, 9)] + [(4, 4), (5, 4), (6, 4)])
def test_against_all_codes(bits, k):
    best = max(least_weight(columns, k) for columns in combinations_with_replacement(range(1, 2**k), bits))
    assert code_distance(bits, k) == best


@pytest.mark.parametrize(
    ("k", "subspaces"), [(3, [1]), (3, [2]), (4, [1, 2]), (4, [3]), (4, [3, 1]), (5, [2, 3]), (5, [4]), (6, [4, 2]), (6, [5])]
)
def test_simplex_codes_without_subspaces(k, subspaces):
    left_out, first = set(), 0
    for dimensions in subspaces:  # each spanned by unit vectors of its own
        left_out |= {v << first for v in range(1, 2**dimensions)}
        first += dimensions
    columns = [v for v in range(1, 2**k) if v not in left_out]
    distance = least_weight(columns, k)
    assert distance == 2 ** (k - 1) - sum(2 ** (u - 1) for u in subspaces)
    assert code_distance(len(columns), k) == distance
    assert griesmer_length(distance, k) == len(columns)


@each_case("k, code", [(k, code) for k, codes in ORBIT_CODES.items() for code in codes])
def test_orbit_codes_are_as_far_apart_as_is_said(k, code):
    columns = orbit_code(k, *code)
    assert len(columns) <= 256
    assert all(0 < column < 2**k for column in columns)
    assert code_distance(len(columns), k) >= least_weight(columns, k) > 0


@pytest.mark.parametrize(("bits", "k", "distance"), [(18, 9, 6), (23, 7, 9), (33, 10, 12), (51, 8, 24), (127, 8, 63), (256, 9, 128)])
def test_distances_that_are_published(bits, k, distance):
    assert code_distance(bits, k) == distance


@pytest.mark.parametrize(("bits", "classes"), [(1, 3), (2, 5), (3, 16), (9, 1024)])
def test_too_few_bits_for_the_classes(bits, classes):
    with pytest.raises(UsageError, match=f"{classes} classes do not fit into {bits} bits: .* at least {(classes - 1).bit_length()} bits"):
        separation(bits, classes)


@pytest.mark.parametrize(("bits", "classes"), [(257, 2), (16, 1025), (1000, 5000)])
def test_out_of_range(bits, classes):
    with pytest.raises(UsageError, match=f"up to 256 bits and 1024 classes, not for {bits} bits and {classes} classes"):
        separation(bits, classes)


@pytest.mark.parametrize("name", ["CEL", "HyP2"])
def test_losses_refuse_what_has_no_separation(name):
    with pytest.raises(UsageError, match="9 classes do not fit into 3 bits"):
        LOSSES[name](bits=3, classes=9, train_size=9, similar_probability=0.5, penalty=0.1)
