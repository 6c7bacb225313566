"""The losses that look at reference features instead of labels."""

from itertools import product

import pytest
import torch
from loss_cases import BITS, CLASSES, batch, build, value_and_gradient
from many_cases import each_case

from biodeephashing.errors import UsageError
from biodeephashing.losses import LOSSES
from biodeephashing.losses._unsupervised import halves_cosines

NAMES = ["BiHalf", "GreedyHashUnsupervised"]


@pytest.mark.parametrize("name", NAMES)
def test_labels_do_not_matter(name):
    outputs, labels, index = batch()
    loss = build(name)
    assert loss(outputs, labels, index) == loss(outputs, 1 - labels, index) == loss(outputs, 0 * labels, index)


@pytest.mark.parametrize("name", NAMES)
def test_features_are_those_of_the_images_of_the_batch(name):
    outputs, labels, _ = batch(4)
    loss = build(name)
    index = torch.tensor([7, 99, 0, 42])
    moved = build(name)
    moved.reference[:4] = loss.reference[index]
    assert loss(outputs, labels, index) == moved(outputs, labels, torch.arange(4))
    assert loss(outputs, labels, index) != loss(outputs, labels, torch.arange(4))


@pytest.mark.parametrize("name", NAMES)
def test_features_are_needed_and_resumed(name):
    loss = LOSSES[name](bits=BITS, classes=CLASSES, train_size=100, similar_probability=0.5, penalty=0.0)
    with pytest.raises(UsageError, match="call set_reference first"):
        loss(*batch())
    with pytest.raises(UsageError, match=r"features \(100, D\)"):
        loss.set_reference(torch.randn(99, 5))
    assert "reference" not in loss.state_dict()
    saved = build(name).state_dict()
    loss.load_state_dict(saved)
    assert torch.equal(loss.reference, saved["reference"])
    assert loss.reference.data_ptr() != saved["reference"].data_ptr()


@pytest.mark.filterwarnings("ignore:.*copying from a non-meta parameter:UserWarning")  # what it holds there is lost
@pytest.mark.parametrize("device", ["meta", pytest.param("cuda", marks=pytest.mark.gpu)])
@each_case("how, name", product(["set", "loaded"], NAMES))
def test_features_are_where_the_loss_is(name, how, device):
    loss = LOSSES[name](bits=BITS, classes=CLASSES, train_size=100, similar_probability=0.5, penalty=0.0).to(device)
    if how == "set":
        loss.set_reference(torch.randn(100, 5, dtype=torch.float64))
    else:
        loss.load_state_dict(build(name).state_dict())
    assert (loss.reference.device.type, loss.reference.dtype, loss.reference.shape) == (device, torch.float32, (100, 5))


@pytest.mark.parametrize("name", NAMES)
def test_codes_as_alike_as_the_features_cost_nothing(name):
    codes = torch.tensor([[1.0, 1.0], [1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
    loss = build(name, bits=2)
    loss.reference[:4] = 3 * torch.eye(2, 5)[[0, 0, 1, 0]]  # partners (1, 3) at a right angle, (2, 4) alike
    labels, index = torch.zeros(4, CLASSES), torch.arange(4)
    assert loss.objective(codes, labels, index).item() == pytest.approx(0, abs=1e-12)
    assert loss.objective(-codes[[0, 1, 1, 1]], labels, index).item() == pytest.approx(0.5)  # (1 - 0)² and (1 - 1)²


def test_halves():
    rows = torch.randn(7, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    rows[4] = 0
    expected = torch.nn.functional.cosine_similarity(rows[:3], rows[3:6])
    torch.testing.assert_close(halves_cosines(rows), expected, rtol=1e-12, atol=0)
    assert halves_cosines(rows[:1]).shape == (0,)


@pytest.mark.parametrize("name", NAMES)
def test_the_last_of_an_odd_batch_has_no_partner(name):
    outputs, labels, index = batch(5)
    loss = build(name)
    codes = loss.relax(outputs)
    assert loss.objective(codes, labels, index) == loss.objective(codes[:4], labels[:4], index[:4])


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_of_one_compares_nothing(name):
    outputs, labels, index = batch(1)
    loss = build(name)
    codes = loss.relax(outputs).detach().requires_grad_()
    value = loss.objective(codes, labels, index)
    value.backward()
    assert value == 0
    assert not codes.grad.any()


def gradients(name, **constants):
    """Return the gradients on outputs through everything, and on codes taken as given."""
    outputs, labels, index = batch(6)
    loss = build(name, **constants)
    _, whole = value_and_gradient(loss, outputs, labels)
    codes = loss.relax(outputs).detach().requires_grad_()
    loss.objective(codes, labels, index).backward()
    return outputs, codes.detach(), whole, codes.grad


def test_greedyhash_takes_the_sign_and_passes_the_gradient_straight_through():
    outputs, codes, whole, through = gradients("GreedyHashUnsupervised", penalty=0.2)
    assert torch.equal(codes, outputs.sign())
    cubic = 0.2 * 3 * (outputs.abs() - 1).square() * (outputs.abs() - 1).sign() * outputs.sign() / outputs.numel()
    torch.testing.assert_close(whole, through + cubic, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("gamma", [0.0, 6.0])
def test_bihalf_adds_its_pull_to_the_gradient_of_the_codes(gamma):
    outputs, codes, whole, through = gradients("BiHalf", gamma=gamma)
    torch.testing.assert_close(whole, through + gamma * (outputs - codes) / outputs.numel(), rtol=1e-12, atol=1e-15)


def test_bihalf_pulls_as_much_as_the_loss_is_scaled():
    outputs, labels, index = batch()
    outputs.requires_grad_()
    loss = build("BiHalf")
    plain, scaled = (torch.autograd.grad(scale * loss(outputs, labels, index), outputs)[0] for scale in (1, 1024))
    assert torch.equal(1024 * plain, scaled)


@pytest.mark.parametrize("rows", [1, 2, 5, 8])
def test_bihalf_halves_every_bit(rows):
    outputs, _, _ = batch(rows)
    codes = build("BiHalf").relax(outputs + 3)
    assert set(codes.unique().tolist()) <= {-1.0, 1.0}
    assert (codes == 1).sum(0).tolist() == [rows // 2] * BITS
    for bit in range(BITS):
        upper, lower = outputs[codes[:, bit] == 1, bit], outputs[codes[:, bit] == -1, bit]
        assert not len(upper) or upper.min() > lower.max()


def test_bihalf_gives_equal_outputs_by_their_order():
    codes = build("BiHalf", bits=2).relax(torch.tensor([[0.0, 0.5], [0.0, 9.0], [0.0, 0.5], [0.0, 0.5]]))
    assert codes.tolist() == [[1, 1], [1, 1], [-1, -1], [-1, -1]]


def test_bihalf_does_not_mind_the_order_of_different_outputs():
    outputs, _, _ = batch(9)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(0))
    loss = build("BiHalf")
    assert torch.equal(loss.relax(outputs[order]), loss.relax(outputs)[order])
