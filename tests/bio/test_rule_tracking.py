"""Rules that change with the steps: who may train, what a step changes, and how a training is resumed."""

from __future__ import annotations

import copy
import io
import pickle

import pytest
import torch
from rule_helpers import X, input_gradient, label, matrices, network
from rule_oracle import from_seed, number
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from biodeephashing.bio import (
    RULES,
    apply_rule,
    feedback_matrix,
    load_rule_state,
    measure_alignment,
    remove_rule,
    rule_names,
    rule_state,
    track_optimizer,
)
from biodeephashing.errors import RuleError

CHANGING = sorted(name for name, kind in RULES.items() if kind.changes)
OPTIMIZERS = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.05, momentum=0.9, weight_decay=0.01),
    "adamw": lambda parameters: torch.optim.AdamW(parameters, lr=0.01, weight_decay=0.1),
}


def steps(module, optimizer, first, last):
    """Train on batches that depend on the number of the step alone."""
    for step in range(first, last):
        x = torch.randn(X.shape, generator=torch.Generator().manual_seed(step))
        label(module, len(x))
        loss = (module(x) - 1).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def test_the_rules_that_change():
    assert CHANGING == ["brsf", "kp", "wm"]


@pytest.mark.parametrize("rule", CHANGING)
def test_training_without_a_follower_is_refused(rule):
    module = apply_rule(network(), rule)
    words = rf"'{rule}' of layer '0' \(Conv2d\) changes with every step: call track_optimizer\(network, optimizer\)"
    with pytest.raises(RuleError, match=words):
        module(X)
    with torch.no_grad():
        module(X)
    assert input_gradient(module.eval()).isfinite().all(), "looking at gradients in evaluation mode is no training"
    optimizer = torch.optim.SGD(module.train().parameters(), lr=0.1)
    following = track_optimizer(module, optimizer)
    steps(module, optimizer, 0, 1)
    following.remove()
    before = [matrix.clone() for matrix in module.buffers()]
    with pytest.raises(RuleError, match=words):
        module(X)
    optimizer.step()
    assert following.step == 1
    assert all(torch.equal(one, other) for one, other in zip(before, module.buffers(), strict=True))
    track_optimizer(module, optimizer)
    steps(module, optimizer, 1, 2)
    apply_rule(module, rule, seed=1)
    with pytest.raises(RuleError, match=words):
        module(X)


@pytest.mark.parametrize("rule", CHANGING)
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))], ids=["deepcopy", "pickle"])
def test_a_copy_has_no_follower(rule, copied):
    module = apply_rule(network(), rule)
    track_optimizer(module, torch.optim.SGD(module.parameters(), lr=0.1))
    other = copied(module)
    with pytest.raises(RuleError, match="call track_optimizer"):
        other(X)
    module(X)
    optimizer = torch.optim.SGD(other.parameters(), lr=0.1)
    track_optimizer(other, optimizer)
    steps(other, optimizer, 0, 1)


@pytest.mark.parametrize("rule", CHANGING)
def test_following_twice_is_refused(rule):
    module = apply_rule(network(), rule)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    track_optimizer(module, optimizer)
    with pytest.raises(RuleError, match=r"layer '0' .*FeedbackUpdater"):
        track_optimizer(module, optimizer)


def test_rules_that_stay_need_no_follower_and_are_only_counted():
    module = apply_rule(network(), "fa")
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    before = copy.deepcopy(matrices(module))
    following = track_optimizer(module, optimizer)
    steps(module, optimizer, 0, 3)
    assert following.state_dict() == {"step": 3, "optimizer": None}
    assert all(torch.equal(before[name], matrix) for name, matrix in matrices(module).items())


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_resumed_training_is_the_uninterrupted_one_to_the_last_bit(rule, optimizer):
    def start():
        module = apply_rule(network(), rule, seed=4)
        made = OPTIMIZERS[optimizer](module.parameters())
        return module, made, track_optimizer(module, made)

    whole, its_optimizer, _ = start()
    steps(whole, its_optimizer, 0, 6)
    parts = start()
    steps(*parts[:2], 0, 3)
    file = io.BytesIO()
    torch.save({"rules": rule_state(parts[0]), "states": [part.state_dict() for part in parts]}, file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)

    resumed = load_rule_state(network(), saved["rules"])
    its_optimizer = OPTIMIZERS[optimizer](resumed.parameters())
    following = track_optimizer(resumed, its_optimizer)
    for part, state in zip((resumed, its_optimizer, following), saved["states"], strict=True):
        part.load_state_dict(state)
    assert following.step == 3
    steps(resumed, its_optimizer, 3, 6)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    for name in ("0", "3", "5"):
        assert torch.equal(feedback_matrix(whole, name), feedback_matrix(resumed, name))
    assert not torch.equal(whole[5].weight, network()[5].weight)


def test_the_state_of_another_rule_is_refused():
    followers = []
    for rule in ("kp", "brsf"):
        module = apply_rule(network(), rule)
        followers.append(track_optimizer(module, torch.optim.SGD(module.parameters(), lr=0.1)))
    for one, other in (followers, followers[::-1]):
        with pytest.raises(RuleError, match="other rules"):
            one.load_state_dict(other.state_dict())


def test_the_state_of_another_network_is_refused_and_nothing_changes():
    one, other = apply_rule(network(), "kp"), apply_rule(nn.Linear(3, 2), "kp")
    following, elsewhere = (track_optimizer(module, torch.optim.SGD(module.parameters(), lr=0.1)) for module in (one, other))
    elsewhere.step = 7
    with pytest.raises(RuleError, match=r"another network: .* \[1\] matrices follow, here \[3\]"):
        following.load_state_dict(elsewhere.state_dict())
    for damaged in ({}, {"step": 1}, None):
        with pytest.raises(RuleError, match=r"damaged: .*'step' and 'optimizer'"):
            following.load_state_dict(damaged)
    assert following.step == 0


@pytest.mark.parametrize("rule", CHANGING)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_goes_on_plainly_when_the_rule_is_removed(rule, optimizer):
    module = apply_rule(network(), rule)
    optimizer = OPTIMIZERS[optimizer](module.parameters())
    track_optimizer(module, optimizer)
    steps(module, optimizer, 0, 2)
    plain, twin = copy.deepcopy(remove_rule(module)), copy.deepcopy(optimizer.state_dict())
    steps(module, optimizer, 2, 4)
    alone = type(optimizer)(plain.parameters(), lr=1.0)
    alone.load_state_dict(twin)
    steps(plain, alone, 2, 4)
    assert all(torch.equal(one, other) for one, other in zip(module.parameters(), plain.parameters(), strict=True))


@pytest.mark.parametrize("rule", CHANGING)
@pytest.mark.parametrize("later", ["fa", "frsf", *CHANGING])
@pytest.mark.parametrize("removed", [True, False])
def test_a_follower_lets_the_next_rule_alone(rule, later, removed):
    module = apply_rule(network(), rule, seed=1)
    optimizer = OPTIMIZERS["sgd"](module.parameters())
    track_optimizer(module, optimizer)
    steps(module, optimizer, 0, 2)
    if removed:
        remove_rule(module)
    apply_rule(module, later, seed=2)
    unfollowed = copy.deepcopy(module)
    own = OPTIMIZERS["sgd"](unfollowed.parameters())
    own.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for one, other in ((module, optimizer), (unfollowed, own)):
        track_optimizer(one, other)
        steps(one, other, 2, 5)
    for name in ("0", "3", "5"):
        assert torch.equal(feedback_matrix(module, name), feedback_matrix(unfollowed, name))
    assert all(torch.equal(one, other) for one, other in zip(module.parameters(), unfollowed.parameters(), strict=True))


def test_several_rules_in_one_network():
    module = apply_rule(network(), {"0": "brsf", "3": "kp", "5": "wm"}, seed=3)
    before = {name: feedback_matrix(module, name).clone() for name in ("0", "3", "5")}
    difference = module[3].weight.detach() - before["3"]
    optimizer = torch.optim.SGD(module.parameters(), lr=0.05)
    track_optimizer(module, optimizer)
    steps(module, optimizer, 0, 2)
    assert all(not torch.equal(before[name], feedback_matrix(module, name)) for name in before)
    torch.testing.assert_close(module[3].weight - module[3].weight_feedback, difference)
    torch.testing.assert_close(feedback_matrix(module, "0"), from_seed("brsf", module[0].weight, (2 / (7 * 9)) ** 0.5, 3, "0", step=2))


def still(module):
    """An optimizer that moves nothing."""
    return torch.optim.SGD(module.parameters(), lr=0.0)


def test_fresh_magnitudes_are_a_function_of_seed_name_and_step():
    module = apply_rule(network(), "brsf", seed=9, scale=0.2)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.5)
    following, seen = track_optimizer(module, optimizer), []
    for step in range(4):
        for name in ("0", "3", "5"):
            weight = module.get_submodule(name).weight
            torch.testing.assert_close(feedback_matrix(module, name), from_seed("brsf", weight, 0.2, 9, name, step))
            assert torch.equal(feedback_matrix(module, name).sign(), weight.sign())
        seen.append(feedback_matrix(module, "5").abs())
        steps(module, optimizer, step, step + 1)
    assert not torch.equal(module[5].weight.sign(), network()[5].weight.sign()), "signs did change on the way"
    assert all(not torch.equal(one, other) for number, one in enumerate(seen) for other in seen[:number])
    following.load_state_dict({"step": 2, "optimizer": None})
    assert torch.equal(feedback_matrix(module, "5").abs(), seen[2])
    assert not torch.equal(from_seed("brsf", module[5].weight, 0.2, 8, "5"), from_seed("brsf", module[5].weight, 0.2, 9, "5"))


@pytest.mark.parametrize("outputs", [1500, 2100])
def test_every_block_of_a_large_layer_is_drawn_for_itself(outputs):
    layer = apply_rule(nn.Sequential(nn.Linear(1030, outputs)), "brsf", seed=2)[0]
    optimizer = still(layer)
    track_optimizer(layer, optimizer)
    optimizer.step()
    assert len(layer.weight_feedback) == 1018 * 1030 + 2**14
    assert layer.weight_feedback_starts.tolist() == [number(f"2/brsf/0/1/{block}") % 2**14 for block in range(-(-outputs // 1018))]


def test_fresh_magnitudes_are_uniform_and_independent_from_step_to_step():
    scale, count = 0.3, 2000
    layer = apply_rule(nn.Linear(16, 8), "brsf", seed=1, scale=scale)
    optimizer, sign = still(layer), layer.weight.detach().sign()
    track_optimizer(layer, optimizer)
    drawn = []
    for _ in range(count):
        drawn.append((feedback_matrix(layer, "") * sign).flatten() / scale)
        optimizer.step()
    drawn = torch.stack(drawn).double()  # (steps, entries): uniform in [0, √3], mean √3 / 2, standard deviation ½, mean square 1
    assert drawn.min() >= 0
    assert drawn.max() <= 3**0.5 + 1e-6
    error = 0.5 / count**0.5  # of one entry's mean; 128 entries stay within five of them
    assert (drawn.mean(0) - 3**0.5 / 2).abs().max() < 5 * error
    assert (drawn.std(0) - 0.5).abs().max() < 5 * error
    centred = (drawn - drawn.mean(0)) / drawn.std(0)
    one_step_later = (centred[1:] * centred[:-1]).mean(0)
    next_entry = (centred[:, 1:] * centred[:, :-1]).mean(0)
    next_row = (centred[:, 16:] * centred[:, :-16]).mean(0)
    for correlation in (one_step_later, next_entry, next_row):
        assert correlation.abs().max() < 5 / count**0.5
    assert measure_alignment(layer)[0].sign_agreement == 1.0


@pytest.mark.parametrize("unscaled", [False, True])
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.SGD])
def test_copied_steps_skip_what_a_fused_optimizer_skips(kind, device, unscaled):
    """A scaled loss that overflows: the optimizer is called all the same, and keeps weights and feedback as they are."""
    module, x = apply_rule(network(), "kp", seed=5).to(device), X.to(device)
    optimizer, scaler = kind(module.parameters(), lr=0.05, fused=True), torch.amp.GradScaler(device, init_scale=2.0**8)
    track_optimizer(module, optimizer)
    weight = module[0].weight.detach()
    first, apart = weight.clone(), weight - feedback_matrix(module, "0")
    for factor in (1.0, torch.inf, 1.0):
        before = weight.clone()
        optimizer.zero_grad()
        scaler.scale(factor * module(x).square().mean()).backward()
        if unscaled:
            scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
        assert torch.equal(weight, before) == (factor == torch.inf)
        torch.testing.assert_close(weight - feedback_matrix(module, "0"), apart)
    assert not torch.allclose(weight, first)


def test_fresh_places_of_all_layers_travel_to_a_device_together():
    """A copy for each layer would have the processor wait for a card as many times in every step."""

    class Travels(TorchDispatchMode):
        def __init__(self):
            super().__init__()
            self.count = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            found = function(*args, **(kwargs or {}))
            there = [one.device.type for one in tree_leaves((args, kwargs, found)) if isinstance(one, torch.Tensor)]
            self.count += 0 if len(set(there)) < 2 else max(1, there.count("cpu"))
            return found

    module = apply_rule(network(), "brsf")
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    track_optimizer(module, optimizer)
    module.to("meta")
    with Travels() as travels:
        optimizer.step()
    assert len(rule_names(module)) > 1
    assert travels.count == 1


@pytest.mark.gpu
@pytest.mark.parametrize("rule", CHANGING)
def test_a_network_that_moves_to_the_gpu_after_follow(rule):
    modules = [apply_rule(network(), rule, seed=5) for _ in range(3)]
    for module, device in zip(modules, ("cpu", "cuda", "cuda"), strict=True):
        optimizer = torch.optim.SGD(module.parameters(), lr=0.05)
        track_optimizer(module, optimizer)
        module.to(device)
        for step in range(2):
            optimizer.zero_grad()
            (module(X.to(device)) - step).square().mean().backward()
            optimizer.step()
    for name in ("0", "3", "5"):
        there, again = (feedback_matrix(module, name) for module in modules[1:])
        assert there.is_cuda
        torch.testing.assert_close(there, again, rtol=1e-3, atol=1e-4)
        if rule != "wm":  # whose noise is drawn where the weights are
            torch.testing.assert_close(there.cpu(), feedback_matrix(modules[0], name), rtol=1e-2, atol=1e-3)
