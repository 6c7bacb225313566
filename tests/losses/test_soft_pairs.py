"""ISDH and IDHN on images with several classes."""

import math

import pytest
import torch
from loss_cases import build
from loss_oracles import cosine, sigmoid

from biodeephashing.codes.pairs import hard_pairs, label_cosine

# Four classes: the first image has all of them, the second one, the third another one, the fourth none.
LABELS = torch.tensor([[1, 1, 1, 1], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]])
GRADES = [[1.0, 0.5, 0.5, 0.0], [0.5, 1.0, 0.0, 0.0], [0.5, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0]]


def softplus(t):
    return math.log1p(math.exp(t))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_label_cosines_by_hand(dtype):
    assert label_cosine(LABELS, LABELS, dtype).tolist() == GRADES


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_label_cosines_are_exact_at_the_ends_for_any_number_of_classes(dtype):
    rows = torch.ones(200, 200, dtype=torch.int64).tril()  # 1 to 200 classes
    graded = label_cosine(rows, rows, dtype)
    assert torch.equal(graded.diagonal(), torch.ones(200, dtype=dtype))
    assert graded.amax() == 1
    assert torch.equal(label_cosine(torch.eye(200), torch.eye(200), dtype), torch.eye(200, dtype=dtype))
    assert graded[20, 150].item() == pytest.approx(cosine(rows[20].tolist(), rows[150].tolist()), rel=1e-6)


def test_which_pairs_are_hard():
    expected = [[s in (0.0, 1.0) for s in row] for row in GRADES]
    assert hard_pairs(label_cosine(LABELS, LABELS, torch.float32)).tolist() == expected
    assert hard_pairs(torch.tensor([0.005, 0.02, 0.98, 0.995])).tolist() == [True, False, False, True]


# Two images with s = 1/2: the codes (1/2, 1/2) and (1/2, 0) of the outputs (1, 1) and (1, 0). Inner products 1/2, 1/4, 1/4.
PAIR, PAIR_LABELS = torch.tensor([[1.0, 1.0], [1.0, 0.0]], dtype=torch.float64), LABELS[:2]


def test_isdh_by_hand():
    loss = build("ISDH", bits=2, penalty=0.0, alpha=4.0, gamma=3.0)  # t = 2, 1, 1
    expected = (3 * (softplus(-2) + softplus(-1)) + 2 * (0.5 - sigmoid(1.0)) ** 2) / 4
    assert loss(PAIR, PAIR_LABELS, torch.arange(2)).item() == pytest.approx(expected, rel=1e-12)


def test_idhn_by_hand():
    loss = build("IDHN", bits=2, penalty=0.0, alpha=4.0, gamma=3.0)  # t = 2, 1, 1, and t + K - 2 s K = 1
    expected = (softplus(-2) + softplus(-1) + 2 * 3 * 1.0) / 4
    assert loss(PAIR, PAIR_LABELS, torch.arange(2)).item() == pytest.approx(expected, rel=1e-12)


def test_idhn_of_the_authors_asks_for_a_share_of_the_bits():
    bits, share = 16, 0.75
    loss = build("IDHN", bits=bits, penalty=0.0, alpha=5 / bits, beta=1.0, gamma=0.1 / (4 * bits))
    agreeing = torch.ones(2, bits, dtype=torch.float64)
    agreeing[1, : bits // 4] = -1  # three quarters of the bits agree
    labels = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])  # s = 3 / sqrt(12)
    t, s = 5.0, 3 / math.sqrt(12)
    soft = 0.1 * bits * (share - s) ** 2
    assert loss.objective(agreeing, labels, torch.arange(2)).item() == pytest.approx((2 * softplus(-t) + 2 * soft) / 4, rel=1e-12)


@pytest.mark.parametrize("name", ["ISDH", "IDHN"])
def test_a_graded_pair_moves_towards_its_grade(name):
    """Two images alike at first: the one that shares all classes stays, the one that shares a few goes its own way."""
    outputs = torch.full((3, 8), 2.0, dtype=torch.float64).requires_grad_()
    labels = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 1], [1, 0, 0, 0]])
    loss = build(name, bits=8, penalty=0.0)
    loss(outputs, labels, torch.arange(3)).backward()
    closer = -outputs.grad[:, 0]  # where a step goes: up is further into the common corner
    assert closer[2] < closer[1]


@pytest.mark.parametrize("name", ["ISDH", "IDHN"])
def test_the_relaxation_is_the_softsign(name):
    codes = build(name, bits=4).relax(torch.tensor([[0.0, 1.0, -3.0, 1e3]]))
    torch.testing.assert_close(codes, torch.tensor([[0.0, 0.5, -0.75, 1000 / 1001]]))
