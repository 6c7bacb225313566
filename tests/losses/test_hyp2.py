"""What is particular about HyP2: proxies, their optimiser group, the scale of additive penalties, and empty sets."""

import math

import pytest
import torch
from loss_cases import BITS, CLASSES, batch, build, value_and_gradient

from biodeephashing.losses import PENALTIES

ONE_HOT = torch.eye(CLASSES, dtype=torch.int64)


def test_proxies_are_drawn_by_the_seed_with_the_spread_of_kaiming():
    first, second = build("HyP2").proxies, build("HyP2").proxies
    assert torch.equal(first, second)
    assert first.requires_grad
    assert first.shape == (CLASSES, BITS)
    torch.manual_seed(1)
    assert not torch.equal(type(build("HyP2"))(**shared(8, 4)).proxies, first)
    many = type(build("HyP2"))(**shared(64, 512)).proxies
    assert many.std().item() == pytest.approx(math.sqrt(2 / 512), rel=0.02)  # fan out: the classes
    assert abs(many.mean().item()) < 0.001


def shared(bits, classes):
    return {"bits": bits, "classes": classes, "train_size": 9, "similar_probability": 0.5, "penalty": 0.1}


def test_proxies_have_a_rate_of_their_own_and_the_weight_decay_of_the_run():
    loss = build("HyP2")
    assert loss.parameter_groups(1e-4) == loss.parameter_groups(10.0) == [{"params": [loss.proxies], "lr": 1e-3}]
    optimizer = torch.optim.Adam(loss.parameter_groups(1e-4), lr=1e-5, weight_decay=5e-4)
    assert (optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["weight_decay"]) == (1e-3, 5e-4)
    assert build("HyP2", proxy_rate=0.5).parameter_groups(1e-4)[0]["lr"] == 0.5


def test_proxies_learn():
    loss = build("HyP2", penalty=0.5)
    outputs, _, index = batch(CLASSES, dtype=torch.float32)
    optimizer = torch.optim.Adam(loss.parameter_groups(1e-4))
    before = loss(outputs, ONE_HOT, index).item()
    for _ in range(2000):
        optimizer.zero_grad()
        loss(outputs, ONE_HOT, index).backward()
        optimizer.step()
    assert loss(outputs, ONE_HOT, index).item() < before - 0.1


@pytest.mark.parametrize("penalty", [0.0, 0.5, 1.25])
def test_additive_penalties_are_scaled_by_beta(penalty):
    outputs, labels, index = batch()
    loss = build("HyP2", penalty=penalty)
    plain = loss(outputs, labels, index)
    loss.add_penalty(PENALTIES["L2"](), 0.3)
    expected = plain + penalty * 0.3 * PENALTIES["L2"]()(loss.relax(outputs))
    torch.testing.assert_close(loss(outputs, labels, index), expected)


def test_a_mean_over_nothing_is_zero():
    outputs, _, index = batch(4)
    loss = build("HyP2", penalty=1.0)
    everything, nothing = torch.ones(4, CLASSES), torch.zeros(4, CLASSES)
    units = torch.nn.functional.normalize(loss.relax(outputs))
    cosines = units @ torch.nn.functional.normalize(loss.proxies.double()).T
    # all classes: no other proxy and no dissimilar pair
    torch.testing.assert_close(loss(outputs, everything, index), -cosines.mean())
    # no class: no own proxy, and all pairs are dissimilar
    hinges = (cosines - loss.separation).clamp_min(0).mean() + (units @ units.T - loss.separation).clamp_min(0).mean()
    torch.testing.assert_close(loss(outputs, nothing, index), hinges)


@pytest.mark.parametrize("labels", [torch.ones(1, CLASSES), torch.zeros(1, CLASSES), ONE_HOT[:1], ONE_HOT[[0, 0, 0]], ONE_HOT])
@pytest.mark.parametrize("only", [False, True])
def test_gradients_of_the_proxies_are_finite(labels, only):
    loss = build("HyP2", penalty=1.0, multilabel_pairs_only=only)
    outputs, _, _ = batch(len(labels))
    value, gradient = value_and_gradient(loss, outputs, labels)
    assert value.isfinite()
    assert gradient.isfinite().all()
    assert loss.proxies.grad.isfinite().all()


def test_a_zero_proxy_passes_no_gradient():
    loss = build("HyP2")
    with torch.no_grad():
        loss.proxies[0] = 0.0
    value_and_gradient(loss, *batch()[:2])
    assert torch.equal(loss.proxies.grad[0], torch.zeros(BITS))
    assert loss.proxies.grad[1].abs().max() > 0


def test_pairs_of_multi_label_images_only():
    outputs, _, index = batch(5)
    single = ONE_HOT[[0, 1, 2, 3, 0]]
    loss, bare = build("HyP2", penalty=2.0, multilabel_pairs_only=True), build("HyP2", penalty=0.0)
    torch.testing.assert_close(loss(outputs, single, index), bare(outputs, single, index))  # proxies alone
    some = single.clone()
    some[0, 1] = some[2, 3] = 1  # images 0 and 2 have two classes each, none in common
    units = torch.nn.functional.normalize(loss.relax(outputs))
    hinge = (units[0] @ units[2] - loss.separation).clamp_min(0)
    assert hinge > 0
    torch.testing.assert_close(loss(outputs, some, index), bare(outputs, some, index) + 2.0 * hinge)


def test_tanh_keeps_the_proxies_inside_the_cube():
    loss, plain = build("HyP2", proxy_tanh=True), build("HyP2")
    with torch.no_grad():
        loss.proxies.mul_(9.0)
        plain.proxies.copy_(loss.proxies.tanh())
    outputs, labels, index = batch()
    torch.testing.assert_close(loss(outputs, labels, index), plain(outputs, labels, index), rtol=1e-6, atol=1e-6)


def test_a_common_rotation_of_codes_and_proxies_does_not_matter():
    codes, labels, index = batch()
    rotation = torch.linalg.qr(torch.randn(BITS, BITS, dtype=torch.float64, generator=torch.Generator().manual_seed(2)))[0]
    loss = build("HyP2").double()
    before = loss.objective(codes, labels, index)
    with torch.no_grad():
        loss.proxies.copy_(loss.proxies @ rotation)
    torch.testing.assert_close(loss.objective(codes @ rotation, labels, index), before)
