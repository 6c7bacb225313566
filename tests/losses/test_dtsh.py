"""The triplets of DTSH: which there are, and how much memory they take."""

import pytest
import torch
from largest import Largest
from loss_cases import batch, build, value_and_gradient

from biodeephashing.losses import dtsh


def one_hot(*classes):
    return torch.eye(4, dtype=torch.int64)[list(classes)]


@pytest.mark.parametrize("rows", [1, 2, 7])
def test_chunks_do_not_change_value_or_gradient(rows, monkeypatch):
    outputs, labels, _ = batch(rows)
    value, gradient = value_and_gradient(build("DTSH"), outputs, labels)
    for largest in (1, 3 * rows * rows):  # one anchor at a time, three at a time
        monkeypatch.setattr(dtsh, "LARGEST", largest)
        chunked_value, chunked_gradient = value_and_gradient(build("DTSH"), outputs, labels)
        torch.testing.assert_close(chunked_value, value, rtol=1e-12, atol=0)
        torch.testing.assert_close(chunked_gradient, gradient, rtol=1e-12, atol=1e-15)


def test_memory_stays_below_a_chunk(monkeypatch):
    monkeypatch.setattr(dtsh, "LARGEST", 5000)
    outputs, labels, index = batch(48, dtype=torch.float32)
    with Largest() as largest:
        build("DTSH")(outputs.requires_grad_(), labels, index).backward()
    assert largest.numel == 2 * 48 * 48  # two anchors; all triplets would be 48³


@pytest.mark.parametrize(
    "labels",
    [one_hot(0), one_hot(0, 0, 0), one_hot(0, 1, 2), one_hot(0, 1) * 0],
    ids=["one image", "all similar", "no two similar", "no classes"],
)
def test_without_triplets_there_is_nothing_to_learn(labels):
    outputs, _, _ = batch(len(labels))
    value, gradient = value_and_gradient(build("DTSH", penalty=0.0), outputs, labels)
    assert value == 0
    assert not gradient.any()


def test_an_image_is_not_a_triplet_of_its_own():
    # The third image has no partner, the fourth no class (it is dissimilar to itself by definition): neither is an anchor, both are
    # the dissimilar images of the first two. t = 0 throughout and m = 4: log(1 + e^4) whatever the number of anchors.
    codes = torch.eye(4, 8, dtype=torch.float64)
    labels = one_hot(0, 0, 1, 2) * torch.tensor([[1], [1], [1], [0]])
    loss = build("DTSH", penalty=0.0)
    assert loss.objective(codes, labels, torch.arange(4)).item() == pytest.approx(4.0181499279, rel=1e-9)


def test_anchors_count_alike_whatever_the_number_of_their_triplets():
    outputs, _, _ = batch(5)
    labels = one_hot(0, 0, 0, 1, 1)
    loss = build("DTSH", penalty=0.0)
    t = 0.5 * (outputs.tanh() @ outputs.tanh().T)
    of_anchor = []
    for a in range(5):
        alike = [j for j in range(5) if j != a and (j < 3) == (a < 3)]
        unlike = [j for j in range(5) if (j < 3) != (a < 3)]
        x = torch.stack([t[a, p] - t[a, n] - 4 for p in alike for n in unlike])
        of_anchor.append(torch.nn.functional.softplus(-x).mean())
    assert loss(outputs, labels, torch.arange(5)).item() == pytest.approx(torch.stack(of_anchor).mean().item(), rel=1e-9)


@pytest.mark.parametrize(("length", "value"), [(30.0, 0.0), (-30.0, 100.0)])
def test_hopeless_and_settled_triplets_are_cut_off(length, value):
    # One triplet per anchor: t_p = ±900/2, t_n = 0, so x = ±450 - 1 is cut off at 50 or -100.
    codes = torch.tensor([[30.0, 0.0], [length, 0.0], [0.0, 30.0]], requires_grad=True)
    labels = one_hot(0, 0, 1)
    loss = build("DTSH", bits=2, penalty=0.0, cube=False)
    found = loss(codes, labels, torch.arange(3))
    found.backward()
    assert found.item() == pytest.approx(value, abs=1e-6)
    assert not codes.grad.any()


def test_the_older_code_by_its_constants():
    outputs, labels, index = batch()
    codes = outputs.tanh()
    loss = build("DTSH", inner_product_scale=1.0, margin=5.0, penalty=0.0)
    scaled = build("DTSH", inner_product_scale=0.5, margin=5.0, penalty=0.0)
    both = loss.objective(codes, labels, index), scaled.objective(codes * 2**0.5, labels, index)
    torch.testing.assert_close(*both, rtol=1e-12, atol=0)


@pytest.mark.parametrize("bits", [2, 8, 48])
def test_the_margin_is_half_the_bits(bits):
    assert build("DTSH", bits=bits).margin == bits / 2
