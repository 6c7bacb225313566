"""Losses with heads and centres: GreedyHash, CSQ, DPN, DSHSD and OrthoHash."""

import numpy as np
import pytest
import torch
from loss_cases import CLASSES, batch, build, value_and_gradient
from torch import nn
from torch.nn.functional import binary_cross_entropy, binary_cross_entropy_with_logits, one_hot
from torch.nn.functional import cross_entropy as torch_cross_entropy

from biodeephashing.codes import binarise
from biodeephashing.codes.signs import straight_through
from biodeephashing.losses import LOSSES, PENALTIES
from biodeephashing.losses._classification import classification_loss, cross_entropy

HEADS = ["DSHSD", "GreedyHash"]
CENTRES = ["CSQ", "DPN", "OrthoHash"]


# Classification


def test_cross_entropy_of_one_class_is_the_usual_one():
    logits, classes = batch(9, CLASSES)[0], torch.arange(9) % CLASSES
    usual = torch_cross_entropy(logits, classes, reduction="none")
    torch.testing.assert_close(cross_entropy(logits, one_hot(classes, CLASSES)), usual)
    torch.testing.assert_close(classification_loss(logits, one_hot(classes, CLASSES), multi_label=False), usual.mean())


def test_cross_entropy_of_several_classes_is_shared_and_of_none_is_zero():
    logits = torch.tensor([[1.0, 2.0, 4.0]], dtype=torch.float64).expand(3, 3)
    each = -logits.log_softmax(1)[0]
    found = cross_entropy(logits, torch.tensor([[0, 1, 1], [1, 1, 1], [0, 0, 0]]))
    torch.testing.assert_close(found, torch.stack([(each[1] + each[2]) / 2, each.mean(), torch.zeros_like(each[0])]))


def test_classification_of_several_classes_is_a_yes_or_no_for_each():
    logits, labels, _ = batch(9, CLASSES)
    found = classification_loss(logits, labels, multi_label=True)
    torch.testing.assert_close(found, binary_cross_entropy_with_logits(logits, labels.double()))


@pytest.mark.parametrize("multi_label", [True, False])
def test_classification_of_huge_logits_is_exact(multi_label):
    logits = torch.tensor([[1e4, -1e4]], requires_grad=True)
    loss = classification_loss(logits, torch.tensor([[0, 1]]), multi_label=multi_label)
    loss.backward()
    assert loss.item() == (1e4 if multi_label else 2e4)
    assert logits.grad.tolist() == ([[0.5, -0.5]] if multi_label else [[1.0, -1.0]])


@pytest.mark.parametrize("name", HEADS)
def test_the_data_set_decides_how_is_classified(name):
    outputs, labels, index = batch(classes=CLASSES)
    one, several = build(name, multi_label=False), build(name, multi_label=True)
    assert one(outputs, labels, index) != several(outputs, labels, index)


def test_dshsd_sums_over_the_classes():
    outputs, labels, index = batch()
    loss = build("DSHSD", multi_label=True, contrast=0.0)
    each = binary_cross_entropy_with_logits(loss.head(outputs.tanh()), labels.double(), reduction="none")
    torch.testing.assert_close(loss(outputs, labels, index), each.sum(1).mean())


@pytest.mark.parametrize("multi_label", [True, False])
@pytest.mark.parametrize("name", HEADS)
def test_the_head_is_trained(name, multi_label):
    loss = build(name, multi_label=multi_label, penalty=0.0)
    outputs, labels, index = batch(dtype=torch.float32)
    groups = loss.parameter_groups(0.25)
    assert groups == [{"params": [loss.head.weight], "lr": 0.25}]
    optimiser, before = torch.optim.SGD(groups), loss(outputs, labels, index).item()
    for _ in range(20):
        optimiser.zero_grad()
        loss(outputs, labels, index).backward()
        optimiser.step()
    assert loss(outputs, labels, index).item() < 0.95 * before


@pytest.mark.parametrize("name", HEADS)
def test_the_head_follows_the_seed(name):
    heads = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        heads.append(LOSSES[name](bits=8, classes=4, train_size=9, similar_probability=0.5, penalty=0.0).head.weight)
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


# The sign


def test_signs_are_those_of_the_codes_that_are_kept():
    values = [0.0, -0.0, 1e-45, -1e-45, 1e-30, 0.1, -0.3, 7.7, 1e3 + 0.1, -1e30, 3e38]
    outputs = torch.tensor([values], requires_grad=True)
    signs = straight_through(outputs)
    assert signs.tolist() == binarise(np.array([values])).tolist()
    signs.backward(torch.arange(11.0)[None])
    assert outputs.grad.tolist() == [list(range(11))]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_signs_keep_the_type(dtype):
    assert straight_through(torch.ones(2, dtype=dtype)).dtype == dtype


@pytest.mark.parametrize("multi_label", [True, False])
def test_greedyhash_passes_the_gradient_of_the_signs_and_adds_the_penaltys(multi_label):
    loss = build("GreedyHash", multi_label=multi_label, penalty=0.7)
    outputs, labels, index = batch()
    _, whole = value_and_gradient(loss, outputs, labels)
    signs = torch.where(outputs >= 0, 1.0, -1.0).double().requires_grad_()
    loss.objective(signs, labels, index).backward()
    away = outputs.abs() - 1
    penalty = 0.7 * 3 * away * away.abs() * outputs.sign() / outputs.numel()
    torch.testing.assert_close(whole, signs.grad + penalty, rtol=1e-12, atol=1e-14)


def test_greedyhash_gives_additive_penalties_the_signs():
    loss, outputs = build("GreedyHash"), batch()[0]
    assert set(loss.relax(outputs).unique().tolist()) == {-1.0, 1.0}
    assert PENALTIES["L2"]()(loss.relax(outputs)) == 0


# Centres


@pytest.mark.parametrize("name", CENTRES)
def test_centres_and_ties_come_back_from_the_checkpoint(name, tmp_path):
    outputs, labels, index = batch(12, 12)
    shared = {"bits": 12, "classes": CLASSES, "train_size": 100, "similar_probability": 0.3, "penalty": 0.1}
    torch.manual_seed(1)
    first = LOSSES[name](**shared)
    torch.manual_seed(2)
    second = LOSSES[name](**shared)
    assert first(outputs, labels, index) != second(outputs, labels, index)
    torch.save(first.state_dict(), tmp_path / "state.pt")
    second.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert all(torch.equal(value, second.state_dict()[key]) for key, value in first.state_dict().items())
    torch.testing.assert_close(second(outputs, labels, index), first(outputs, labels, index), rtol=0, atol=0)


@pytest.mark.parametrize("name", CENTRES)
def test_centres_are_not_trained(name):
    assert build(name).parameter_groups(0.1) == []


@pytest.mark.parametrize("name", CENTRES)
def test_codes_at_their_targets_are_best(name):
    loss = build(name, classes=CLASSES, penalty=0.0).eval()
    labels, index = torch.eye(CLASSES), torch.arange(CLASSES)
    centres = loss.centres if name == "OrthoHash" else loss.targets.centres
    values = [loss(3 * centres.roll(turn, 0), labels, index).item() for turn in range(CLASSES)]
    assert values[0] < min(values[1:])


@pytest.mark.parametrize("name", [*CENTRES, *HEADS])
def test_the_loss_may_be_narrower_or_wider_than_the_outputs(name):
    outputs, labels, index = batch()
    loss = build(name).eval()
    expected = loss(outputs, labels, index)
    assert expected.dtype == torch.float64
    assert loss(outputs.half(), labels, index).dtype == torch.float32
    torch.testing.assert_close(loss.double()(outputs, labels, index), expected, rtol=1e-6, atol=0)
    assert loss(outputs.float(), labels, index).dtype == torch.float32


def test_csq_is_the_cross_entropy_of_tanh_with_the_targets():
    loss = build("CSQ", penalty=0.3)
    outputs, labels, index = batch()
    codes, targets = outputs.tanh(), loss.targets(labels, torch.float64)
    expected = binary_cross_entropy((1 + codes) / 2, (1 + targets) / 2) + 0.3 * (codes.abs() - 1).square().mean()
    torch.testing.assert_close(loss(outputs, labels, index), expected, rtol=1e-12, atol=0)


def test_csq_pulls_back_an_output_that_is_far_on_the_wrong_side():
    loss = build("CSQ", penalty=0.0)
    labels = torch.eye(CLASSES, dtype=torch.int64)
    wrong = -1e3 * loss.targets(labels, torch.float32)
    _, gradient = value_and_gradient(loss, wrong, labels)
    torch.testing.assert_close(gradient, 2 * wrong.sign() / wrong.numel())


def test_dpn_leaves_outputs_alone_that_are_far_enough():
    loss = build("DPN")
    labels = torch.eye(CLASSES, dtype=torch.int64)
    value, gradient = value_and_gradient(loss, 1.001 * loss.targets(labels, torch.float32), labels)
    assert value == 0
    assert not gradient.any()


# Normalisation over the batch


def usual(loss):
    """Return PyTorch's batch normalisation in the state of a loss."""
    layer = nn.BatchNorm1d(loss.bits, affine=False)
    layer.running_mean.copy_(loss.mean)
    layer.running_var.copy_(loss.variance)
    return layer


def test_orthohash_normalises_as_batch_norm_does():
    loss = build("OrthoHash")
    layer = usual(loss)
    for seed, rows in enumerate((2, 3, 50, 7)):
        outputs = 3 * batch(rows, seed=seed, dtype=torch.float32)[0] + torch.arange(8.0) - 4
        torch.testing.assert_close(loss.relax(outputs), layer(outputs), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close((loss.mean, loss.variance), (layer.running_mean, layer.running_var))
    torch.testing.assert_close(loss.eval().relax(outputs), layer.eval()(outputs))


def test_orthohash_has_the_gradient_of_batch_norm():
    loss = build("OrthoHash")
    layer, weights = usual(loss).double(), batch(seed=1)[0]
    gradients = []
    for normalise in (loss.relax, layer):
        outputs = batch()[0].requires_grad_()
        (normalise(outputs) * weights).sum().backward()
        gradients.append(outputs.grad)
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-12)


def test_orthohash_follows_the_data_once_in_a_call_and_not_at_all_in_evaluation():
    loss, once = build("OrthoHash"), build("OrthoHash")
    outputs, labels, index = batch()
    once.relax(outputs)
    loss(outputs, labels, index)
    assert torch.equal(loss.mean, once.mean)
    assert torch.equal(loss.variance, once.variance)
    loss.eval()
    loss(outputs, labels, index)
    loss.objective(outputs, labels, index)
    assert torch.equal(loss.mean, once.mean)
    assert loss.mean.dtype == torch.float32


def test_orthohash_depends_on_the_batch_alone_while_training():
    loss = build("OrthoHash")
    outputs, labels, index = batch()
    first = loss(outputs, labels, index)
    loss.mean.fill_(9.0)
    loss.variance.fill_(7.0)
    assert loss(outputs, labels, index) == first


def test_orthohash_takes_the_running_statistics_for_a_batch_of_one():
    loss = build("OrthoHash")
    for seed in range(3):
        loss.relax(batch(seed=seed)[0])
    before = loss.mean.clone()
    one, labels, index = batch(1)
    value = loss(one, labels, index)
    assert torch.equal(loss.mean, before)
    assert value == loss.eval()(one, labels, index)


def test_orthohash_gives_equal_rows_no_direction():
    outputs = torch.full((7, 8), 0.1) * torch.arange(8)  # whose mean of seven is not exact
    loss = build("OrthoHash")
    assert not loss.relax(outputs).any()
    _, gradient = value_and_gradient(loss, outputs, torch.eye(7)[:, :CLASSES])
    assert not gradient.any()


def test_orthohash_codes_are_the_signs_of_a_folded_hash_layer(tmp_path):
    torch.manual_seed(5)
    layer, features = nn.Linear(16, 8), torch.randn(200, 16) + 1
    loss = build("OrthoHash")
    for part in features.split(20):
        loss(layer(part), torch.ones(20, CLASSES), torch.arange(20))
    torch.save(loss.state_dict(), tmp_path / "state.pt")
    fresh = build("OrthoHash").eval()
    fresh.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    scale, shift = fresh.affine()
    normalised = fresh.relax(layer(features))
    torch.testing.assert_close(normalised, usual(loss).eval()(layer(features)))
    with torch.no_grad():
        layer.weight.mul_(scale[:, None])
        layer.bias.mul_(scale).add_(shift)
    folded = layer(features)
    torch.testing.assert_close(folded, normalised, rtol=1e-5, atol=1e-5)
    assert torch.equal(folded.sign(), normalised.sign())


@pytest.mark.parametrize("name", [*CENTRES, *HEADS])
def test_other_losses_leave_the_hash_layer_as_it_is(name):
    assert (build(name).affine() is None) is (name != "OrthoHash")


def test_orthohash_lowers_the_logit_of_every_class_of_the_image():
    outputs, labels, index = batch(classes=CLASSES)
    plain, lowered = build("OrthoHash", margin=0.0).eval(), build("OrthoHash", margin=0.2).eval()
    assert lowered(outputs, labels, index) > plain(outputs, labels, index)
    everywhere = torch.ones_like(labels)  # lowered all alike: the softmax does not see it
    torch.testing.assert_close(lowered(outputs, everywhere, index), plain(outputs, everywhere, index))
