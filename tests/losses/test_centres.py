"""Centres of classes in Hamming space, and the targets made of them."""

import warnings
from itertools import product

import pytest
import torch
from many_cases import each_case

from biodeephashing.losses import LOSSES
from biodeephashing.losses._centres import Targets, class_centres, random_codes


def distances(centres):
    """Return the Hamming distances of all pairs, in plain Python."""
    rows = centres.tolist()
    return [sum(x != y for x, y in zip(a, b, strict=True)) for i, a in enumerate(rows) for b in rows[:i]]


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16, 32, 64])
def test_class_c_has_row_c_of_sylvesters_matrix_and_then_of_its_negative(bits):
    rows = [[(-1.0) ** (c & k).bit_count() for k in range(bits)] for c in range(bits)]
    wanted = rows + [[-x for x in row] for row in rows]
    for classes in range(1, 2 * bits + 1):
        assert class_centres(classes, bits).tolist() == wanted[:classes]


def test_hadamard_rows_differ_in_half_the_bits_or_in_all():
    assert set(distances(class_centres(32, 16))) == {8, 16}


# The last two have a power of two as their number of bits, and more than 2K classes.
@pytest.mark.parametrize(("bits", "classes"), [(6, 4), (12, 10), (24, 10), (24, 81), (48, 100), (100, 20), (16, 40), (32, 100)])
@pytest.mark.parametrize("seed", [0, 1])
def test_sampled_centres_are_balanced_and_apart(bits, classes, seed, recwarn):
    torch.manual_seed(seed)
    centres = class_centres(classes, bits)
    assert centres.shape == (classes, bits)
    assert set(centres.unique().tolist()) == {-1.0, 1.0}
    assert not centres.sum(1).any()
    found = distances(centres)
    assert min(found) > bits / 4
    assert sum(found) / len(found) >= bits / 2
    assert not list(recwarn)


@pytest.mark.parametrize("bits", [3, 5, 7, 9, 49])
def test_an_odd_number_of_bits_has_one_more_of_either(bits):
    torch.manual_seed(0)
    assert set(torch.cat([class_centres(4, bits).sum(1) for _ in range(9)]).tolist()) == {-1.0, 1.0}


@pytest.mark.parametrize(("bits", "classes", "least"), [(1, 3, 0), (2, 5, 0), (12, 200, 2)])
def test_too_few_bits_give_the_best_found_and_a_warning(bits, classes, least):
    torch.manual_seed(0)
    with pytest.warns(UserWarning, match=rf"centres of {classes} classes in {bits} bits differ in as few as {least} bits") as caught:
        centres = class_centres(classes, bits)
    assert len(caught) == 1
    assert centres.shape == (classes, bits)
    assert centres.abs().eq(1).all()
    assert min(distances(centres)) == least


@pytest.mark.parametrize("name", ["CSQ", "OrthoHash"])
def test_a_loss_warns_once(name):
    with pytest.warns(UserWarning, match="centres of 5 classes in 2 bits") as caught:
        LOSSES[name](bits=2, classes=5, train_size=9, similar_probability=0.5, penalty=0.0)
    assert [warning.filename for warning in caught] == [__file__]


@each_case("bits, classes", product(range(1, 10), [1, 2, 3, 4]))
def test_there_are_always_centres(bits, classes):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert class_centres(classes, bits).abs().sum() == classes * bits


def test_one_class_needs_no_distance(recwarn):
    assert class_centres(1, 3).shape == (1, 3)
    assert not list(recwarn)


def test_sampling_follows_the_seed():
    drawn = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        drawn.append(class_centres(10, 12))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_random_codes_have_the_probability():
    torch.manual_seed(0)
    for probability in (0.0, 0.2, 0.5, 1.0):
        codes = random_codes(100, 1000, probability)
        assert codes.abs().eq(1).all()
        assert (codes > 0).double().mean().item() == pytest.approx(probability, abs=0.005)


def targets():
    found = Targets(torch.tensor([[1.0, 1.0, 1.0, 1.0], [1.0, -1.0, 1.0, -1.0], [1.0, 1.0, -1.0, -1.0]]))
    found.ties.copy_(torch.tensor([-1.0, -1.0, 1.0, 1.0]))
    return found


@pytest.mark.parametrize(
    ("classes", "target"),
    [
        ([1, 0, 0], [1, 1, 1, 1]),
        ([0, 1, 0], [1, -1, 1, -1]),
        ([0, 0, 1], [1, 1, -1, -1]),
        ([1, 1, 0], [1, -1, 1, 1]),  # sums 2, 0, 2, 0: the second and the last bit are ties
        ([0, 1, 1], [1, -1, 1, -1]),  # sums 2, 0, 0, -2
        ([1, 1, 1], [1, 1, 1, -1]),  # sums 3, 1, 1, -1: no tie
        ([0, 0, 0], [-1, -1, 1, 1]),  # a tie in every bit
    ],
)
@each_case("dtype, kind", product([torch.float32, torch.float64], [torch.bool, torch.uint8, torch.int64, torch.float32]))
def test_target_of_one_class_several_and_none(classes, target, dtype, kind):
    found = targets()(torch.tensor([classes]).to(kind), dtype)
    assert found.dtype == dtype
    assert found.tolist() == [target]


def test_ties_are_broken_the_same_way_every_time():
    found, labels = Targets(class_centres(8, 8)), torch.zeros(5, 8)
    first = found(labels, torch.float32)
    assert first.abs().eq(1).all()
    assert torch.equal(first, first[:1].expand(5, 8))
    assert torch.equal(found(labels, torch.float32), first)
