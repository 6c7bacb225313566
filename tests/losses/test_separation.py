"""Distances of linear codes: quoted values, bounds, and all codes of a few bits."""

from itertools import combinations_with_replacement

import pytest
from many_cases import each_case

from biodeephashing.errors import UsageError
from biodeephashing.losses import LOSSES
from biodeephashing.losses._separation import BEST_KNOWN, code_distance, griesmer_length, separation

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
        (48, 100, 1 - 2 * 22 / 48),
        (64, 100, 0.0),
        (64, 1000, 0.125),
        (16, 65, 0.25),
        (16, 128, 0.25),
        (64, 1, -1.0),
        (64, 2, -1.0),
        (256, 512, 0.0),
        (8, 256, 0.75),
    ],
)
def test_quoted_values(bits, classes, expected):
    assert separation(bits, classes) == expected


def test_the_table_is_the_answer_for_its_lengths():
    for bits, row in BEST_KNOWN.items():
        assert tuple(code_distance(bits, k) for k in range(1, len(row) + 1)) == row


def test_bounds():
    for bits, k in SHAPES:
        distance = code_distance(bits, k)
        assert distance >= 1
        assert griesmer_length(distance, k) <= bits, (bits, k)
        if k <= 4:
            assert griesmer_length(distance + 1, k) > bits, (bits, k)


def test_a_bit_more_adds_at_most_one_and_a_dimension_more_adds_nothing():
    for bits, k in SHAPES:
        assert 0 <= code_distance(bits + 1, k) - code_distance(bits, k) <= 1, (bits, k)
        assert k == 1 or code_distance(bits, k) <= code_distance(bits, k - 1), (bits, k)


@pytest.mark.parametrize("k", range(1, 11))
def test_codes_that_everyone_knows(k):
    assert code_distance(k, k) == 1  # all words
    assert code_distance(k + 1, k) == 2  # those of even weight
    assert code_distance(2**k - 1, k) == 2 ** (k - 1)  # simplex
    assert code_distance(2 ** (k - 1), k) == max(1, 2 ** (k - 2))  # Reed and Muller, first order


@each_case("bits, k", [(bits, k) for k in (1, 2, 3) for bits in range(k, 9)] + [(4, 4), (5, 4), (6, 4)])
def test_against_all_codes(bits, k):
    best = max(least_weight(columns, k) for columns in combinations_with_replacement(range(1, 2**k), bits))
    assert code_distance(bits, k) == best


@pytest.mark.parametrize(
    ("bits", "k", "known"),  # best known distances of lengths that are not in the table
    [(20, 7, 8), (36, 6, 16), (40, 7, 17), (51, 8, 24), (96, 7, 48), (100, 7, 48), (127, 8, 63), (192, 8, 96), (33, 10, 12)],
)
def test_other_lengths_are_at_most_a_few_bits_above_the_best_known(bits, k, known):
    assert known <= code_distance(bits, k) <= known + 2


@pytest.mark.parametrize(("bits", "classes"), [(1, 3), (2, 5), (3, 16), (9, 1024)])
def test_too_few_bits_for_the_classes(bits, classes):
    with pytest.raises(UsageError, match=f"{classes} classes .* {bits} bits: .* {(classes - 1).bit_length()} bits"):
        separation(bits, classes)


def test_long_codes_and_many_classes():
    assert separation(512, 2) == -1
    assert 0 <= separation(512, 5000) < 0.1


@pytest.mark.parametrize("name", ["CEL", "HyP2"])
def test_losses_refuse_what_has_no_separation(name):
    with pytest.raises(UsageError, match=r"9 classes .* 3 bits"):
        LOSSES[name](bits=3, classes=9, train_size=9, similar_probability=0.5, penalty=0.1)
