"""Rules that send one signal from the network's end to every layer."""

from __future__ import annotations

import copy
import math
import pickle
from itertools import product

import pytest
import torch
from rule_helpers import X, input_gradient, label, matrices, network, one_hot, ready
from rule_oracle import BROADCAST, gradients, inputs, mlp, signal_of, uniform
from torch import nn
from torch.utils.checkpoint import checkpoint

from biodeephashing.bio import BroadcastRule, apply_rule, give_target, load_rule_state, remove_rule, rule_state

each = pytest.mark.parametrize("rule", BROADCAST)


@each
def test_three_layers_against_the_formula(rule):
    module, x = apply_rule(mlp(), rule, seed=2, scale=0.7), inputs(7, 4)
    found = gradients(module, x)
    hidden = [x, torch.tanh(module[0](x)), None]
    hidden[2] = torch.tanh(module[2](hidden[1].detach()))
    output = module[4](hidden[2].detach())
    signal = signal_of(rule, output)
    arrives = [signal @ uniform((3, width), 0.7, 2, rule, name).double() for name, width in (("0", 4), ("2", 6), ("4", 5))]
    errors = [arrives[1] * (1 - hidden[1] ** 2), arrives[2] * (1 - hidden[2] ** 2), 2 * output]
    wanted = [arrives[0]]
    for error, below in zip(errors, hidden, strict=True):
        wanted += [error.T @ below, error.sum(0)]
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other.detach())


@each
def test_the_scale_is_that_of_the_shape_of_b(rule):
    module = apply_rule(nn.Sequential(nn.Conv2d(3, 64, 3), nn.Flatten(), nn.Linear(64, 10)), rule)
    assert module[0].weight_feedback.shape == (10, 3)
    assert module[2].weight_feedback.shape == (10, 64)
    assert rule_state(module)["2"]["scale"] == pytest.approx(math.sqrt(2 / 74))
    assert rule_state(module)["0"]["scale"] == pytest.approx(math.sqrt(2 / 13))
    assert module[2].weight_feedback.abs().max() <= math.sqrt(3 * 2 / 74)
    assert module[2].weight_feedback.std().item() == pytest.approx(math.sqrt(2 / 74), rel=0.1)


@each
def test_a_signal_of_another_width_than_guessed_draws_b_anew(rule):
    class Halved(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Linear(4, 6), nn.Linear(6, 8)

        def forward(self, x):
            return self.two(self.one(x).relu())[:, :2]

    torch.manual_seed(0)
    module = apply_rule(Halved().double(), rule, seed=3)
    assert module.two.weight_feedback.shape == (8, 6)
    give_target(module, one_hot(5, 2))
    x = inputs(5, 4).requires_grad_()
    output = module(x)
    found = torch.autograd.grad(output.square().sum(), x)[0]
    for name, width in (("one", 4), ("two", 6)):
        scale = math.sqrt(2 / (2 + width))
        torch.testing.assert_close(getattr(module, name).weight_feedback.float(), uniform((2, width), scale, 3, rule, name))
        assert rule_state(module)[name]["scale"] == pytest.approx(scale)
        assert rule_state(module)[name]["width"] == 2
    torch.testing.assert_close(found, signal_of(rule, output) @ module.one.weight_feedback)
    restored = load_rule_state(Halved().double(), rule_state(module))
    assert all(torch.equal(matrix, matrices(restored)[name]) for name, matrix in matrices(module).items())


@each
def test_a_module_used_twice_hears_the_signal_at_both_places(rule):
    shared = nn.Linear(4, 4).double()
    module = apply_rule(nn.Sequential(nn.Linear(4, 4).double(), shared, nn.Tanh(), shared), rule)
    assert len(matrices(module)) == 2
    x = inputs(3, 4)
    found = gradients(module, x)
    bottom = module[0](x).detach()
    middle = torch.tanh(shared(bottom)).detach()
    output = shared(middle)
    signal = signal_of(rule, output)
    first = (signal @ shared.weight_feedback) * (1 - middle**2)
    torch.testing.assert_close(found[3], (first.T @ bottom + (2 * output).T @ middle).detach())
    torch.testing.assert_close(found[1], (signal @ shared.weight_feedback).T @ x)


class Windowed(nn.Module):
    """Cuts each row of four tokens into two windows that lie side by side along the batch, as Swin does."""

    def __init__(self):
        super().__init__()
        self.tokens, self.flat, self.head = nn.Linear(3, 5), nn.Linear(5, 5), nn.Linear(5, 2)

    def forward(self, x):
        windows = self.tokens(x.reshape(-1, 2, 3))
        return self.head(self.flat(windows.reshape(-1, 5)).reshape(len(x), 4, 5).mean(1))


@each
def test_windows_of_one_image_hear_the_signal_of_that_image(rule):
    torch.manual_seed(0)
    module, x = apply_rule(Windowed().double(), rule), inputs(3, 4, 3)
    found = gradients(module, x)
    with torch.no_grad():
        signal = signal_of(rule, module(x))
    torch.testing.assert_close(found[0], (signal @ module.tokens.weight_feedback)[:, None].expand(3, 4, 3))
    at_tokens = (signal @ module.flat.weight_feedback)[:, None].expand(3, 4, 5)
    torch.testing.assert_close(found[1], torch.einsum("bto,bti->oi", at_tokens, x))


@each
def test_one_example_without_a_batch(rule):
    module, x = apply_rule(mlp(), rule), inputs(4).requires_grad_()
    give_target(module, one_hot(1, 3))
    found = torch.autograd.grad(module(x).square().sum(), x)[0]
    torch.testing.assert_close(found, gradients(module, x.detach()[None])[0][0])


@each
def test_two_forward_passes_before_one_backward_pass(rule):
    module, parts = apply_rule(mlp(), rule), (inputs(4, 4), inputs(2, 4) + 1)
    wanted = [gradients(module, x)[1:] for x in parts]
    loss = 0.0
    for x in parts:
        label(module, len(x))
        loss = loss + module(x).square().sum()
    loss.backward()
    for parameter, one, other in zip(module.parameters(), *wanted, strict=True):
        torch.testing.assert_close(parameter.grad, one + other)


def test_targets_of_many_hot_labels_add_up():
    module, x = apply_rule(mlp(), "drtp"), inputs(2, 4).requires_grad_()
    give_target(module, torch.tensor([[1, 0, 1], [0, 0, 0]]))
    found = torch.autograd.grad(module(x).sum(), x)[0]
    matrix = module[0].weight_feedback
    torch.testing.assert_close(found, torch.stack([(matrix[0] + matrix[2]) / 2, torch.zeros(4, dtype=torch.float64)]))


@each
def test_evaluation_is_plain(rule):
    module, plain = apply_rule(network(), rule).eval(), network().eval()
    with torch.no_grad():
        assert torch.equal(module(X), plain(X))
        assert torch.equal(module[5](torch.ones(1, 64)), plain[5](torch.ones(1, 64)))
    assert all(bus.listening is None and bus.target is None for bus in module._buses)
    label(module, 4)
    assert input_gradient(module).isfinite().all()
    ready(module, classes=5)
    assert torch.equal(module(X), plain(X))


@each
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))], ids=["deepcopy", "pickle"])
def test_a_copy_hears_itself_alone(rule, copied):
    module = apply_rule(network(), rule, seed=4)
    other = copied(module)
    assert torch.equal(input_gradient(other), input_gradient(module))
    assert other._buses[0] is not module._buses[0]
    assert other[0]._bindings["weight"].bus is other._buses[0]
    with torch.no_grad():
        other[0].weight_feedback.zero_()
    assert not input_gradient(other).any()
    assert input_gradient(module).any()


@each
def test_nothing_of_the_rule_stays(rule):
    module = apply_rule(network(), rule)
    assert module._forward_hooks
    wanted = input_gradient(network())
    for remove in (remove_rule, lambda part: apply_rule(part, "bp"), lambda part: load_rule_state(part, {})):
        apply_rule(module, rule)
        assert remove(module) is module
        assert not hasattr(module, "_buses")
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
        assert matrices(module) == {}
        assert torch.equal(input_gradient(module), wanted)
    seen = []
    module.register_forward_hook(lambda *_: seen.append("mine"))
    remove_rule(apply_rule(module, rule))(X)
    assert seen == ["mine"]


@each
def test_the_state_knows_where_the_signal_starts(rule):
    whole = nn.ModuleDict({"body": apply_rule(network(), rule, seed=2), "head": nn.Linear(5, 2)})
    state = rule_state(whole)
    assert {entry["root"] for entry in state.values()} == {"body"}
    fresh = load_rule_state(nn.ModuleDict({"body": network(), "head": nn.Linear(5, 2)}), state)
    assert rule_state(fresh) == state
    assert torch.equal(input_gradient(fresh["body"]), input_gradient(whole["body"]))


def test_both_rules_in_one_network_with_others_between():
    module = apply_rule(mlp(), {"0": "dfa", "2": "fa", "4": "drtp"}, seed=1, scale=0.5)
    x = inputs(6, 4)
    found = gradients(module, x)
    hidden = torch.tanh(module[2](torch.tanh(module[0](x).detach()))).detach()
    output = module[4](hidden)
    torch.testing.assert_close(found[0], signal_of("dfa", output) @ module[0].weight_feedback)
    at_two = signal_of("drtp", output) @ module[4].weight_feedback * (1 - hidden**2)
    below = torch.tanh(module[0](x).detach())
    torch.testing.assert_close(found[3], at_two.T @ below)
    at_one = at_two @ module[2].weight_feedback * (1 - below**2)
    torch.testing.assert_close(found[1], at_one.T @ x)


class Attending(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x):
        return self.attention(x, x, x, need_weights=False)[0][:, 0]


def first_to_zero(output):
    output[:, 0] = 0
    return output


IN_PLACE = {
    "sigmoid_": (torch.sigmoid_, torch.sigmoid),
    "ReLU(inplace=True)": (nn.ReLU(inplace=True), nn.ReLU()),
    "mul_": (lambda output: output.mul_(2), lambda output: output * 2),
    "setitem": (first_to_zero, lambda output: torch.cat([torch.zeros_like(output[:, :1]), output[:, 1:]], 1)),
}


@each
def test_what_is_done_in_place_to_the_output_counts_as_ever(rule):
    networks = {
        "linear": (mlp(), inputs(3, 4)),
        "convolution": (nn.Sequential(nn.Conv2d(2, 4, 3), nn.Flatten()).double(), inputs(3, 2, 3, 3)),
        "attention": (Attending().double(), inputs(3, 2, 4)),
    }
    ways = {"called": lambda run, x: run(x), "checkpointed": lambda run, x: checkpoint(run, x, use_reentrant=False)}
    for (name, (module, x)), (what, changes), (how, call) in product(networks.items(), IN_PLACE.items(), ways.items()):
        apply_rule(module, rule)
        found = []
        for change in changes:
            at_input = x.clone().requires_grad_()
            label(module, len(x))
            output = call(lambda part, change=change, module=module: change(module(part)), at_input)
            found.append(torch.autograd.grad((output - 1).square().sum(), [at_input, *module.parameters()]))
        assert all(torch.equal(one, other) for one, other in zip(*found, strict=True)), (name, what, how)


class Signs(BroadcastRule):
    name = "signs"

    def signal(self, error, target):
        return error.sign()


def test_a_rule_of_ones_own():
    module, x = apply_rule(mlp(), Signs(), seed=2, scale=0.7), inputs(5, 4)
    with torch.no_grad():
        signs = module(x).sign()
    torch.testing.assert_close(gradients(module, x)[0], signs @ uniform((3, 4), 0.7, 2, "signs", "0").double())
