"""Drawing, scale, and the state that restores both."""

from __future__ import annotations

import json
import math

import pytest
import torch
from rule_helpers import input_gradient, matrices, network
from torch import nn

from biodeephashing.bio import WeightMirror, apply_rule, load_rule_state, rule_state
from biodeephashing.errors import RuleError, UnknownNameError


@pytest.mark.parametrize("rule", ["fa", "frsf", "brsf", "kp", "wm"])
def test_matrices_depend_on_seed_and_name_alone(rule):
    whole = apply_rule(network(), rule, seed=5)
    # the same names in another order and with only some of the layers, after other random numbers were drawn
    torch.manual_seed(99)
    part = nn.Module()
    part.add_module("5", nn.Linear(64, 5))
    part.add_module("3", nn.Conv2d(4, 4, 3, groups=2))
    apply_rule(part, rule, seed=5)
    for name in ("3", "5"):
        for buffer, numbers in part.get_submodule(name).named_buffers():
            assert torch.equal(numbers, whole.get_submodule(name).get_buffer(buffer))
    other = apply_rule(network(), rule, seed=6)
    assert all(not torch.equal(a, b) for a, b in zip(matrices(whole).values(), matrices(other).values(), strict=True))
    same_shape = apply_rule(nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)), rule)
    assert not torch.equal(same_shape[0].weight_feedback, same_shape[1].weight_feedback)


def test_two_rules_draw_different_numbers_from_one_seed():
    drawn = [apply_rule(nn.Linear(4, 4), rule, seed=1).weight_feedback.abs() for rule in ("fa", "frsf", "kp", "wm", "dfa", "drtp")]
    assert all(not torch.equal(one, other) for number, one in enumerate(drawn) for other in drawn[:number])


def test_drawing_leaves_the_global_generator_alone_and_ignores_the_default_device():
    one, other = network(), network()
    torch.manual_seed(3)
    wanted = torch.rand(1)
    torch.manual_seed(3)
    layer = apply_rule(one, "frsf")[5]
    assert torch.equal(torch.rand(1), wanted)
    with torch.device("meta"):
        apply_rule(other, "frsf")
    assert torch.equal(other[5].weight_feedback, layer.weight_feedback)


def test_drawing_is_the_same_on_every_machine():
    # frozen numbers: a change would silently give restored runs other matrices
    layer = apply_rule(nn.Linear(2, 2), "fa", seed=0, scale=1.0)
    assert layer.weight_feedback.flatten().tolist() == pytest.approx([1.2346416, 1.0252491, 0.5282593, -0.8059822])


def test_half_precision_is_the_float32_drawing_rounded():
    full, half = apply_rule(nn.Linear(8, 8), "fa"), apply_rule(nn.Linear(8, 8).bfloat16(), "fa")
    assert torch.equal(half.weight_feedback, full.weight_feedback.bfloat16())


def test_size_of_the_entries():
    torch.manual_seed(0)
    convolution = nn.Conv2d(32, 64, 3)
    # fan_in = 32·9 = 288, fan_out = 64·9 = 576, std = sqrt(2 / 864)
    matrix = apply_rule(convolution, "fa").weight_feedback
    assert matrix.std().item() == pytest.approx(math.sqrt(2 / 864), rel=0.02)
    largest = math.sqrt(3 * 2 / 864)  # of a uniform distribution with that std; 18,432 numbers come near it
    assert 0.999 * largest < matrix.abs().max().item() <= largest
    assert matrix.mean().item() == pytest.approx(0, abs=0.001)
    rms = convolution.weight.square().mean().sqrt().item()
    for rule in ("fa", "frsf"):
        matrix = apply_rule(convolution, rule, scale="weight").weight_feedback
        assert matrix.square().mean().sqrt().item() == pytest.approx(rms, rel=0.02)
    assert rule_state(apply_rule(convolution, "usf", scale="weight"))[""]["scale"] == pytest.approx(rms, rel=1e-5)
    assert rule_state(apply_rule(convolution, "usf", scale=2))[""]["scale"] == 2.0
    assert (apply_rule(convolution, "frsf").weight_feedback >= 0).all()


@pytest.mark.parametrize("scale", ["init", "weight", 0.25])
def test_rule_state_restores_the_rules_exactly(rule, scale, tmp_path):
    trained = apply_rule(network(), rule, seed=8, scale=scale).eval()
    if rule in ("kp", "wm"):
        trained[5].weight_feedback.mul_(1.5)  # as if it had learned
    wanted = input_gradient(trained)
    state = rule_state(trained)
    torch.save({"rules": state, "weights": trained.state_dict()}, tmp_path / "checkpoint.pt")
    loaded = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert json.loads(json.dumps(state)) == loaded["rules"] == state
    fresh = apply_rule(network(), "fa", seed=1).eval()  # overwritten
    assert load_rule_state(fresh, loaded["rules"]) is fresh
    fresh.load_state_dict(loaded["weights"])
    assert rule_state(fresh) == state
    assert torch.equal(input_gradient(fresh), wanted)
    with torch.no_grad():
        fresh[5].weight.mul_(3)  # the scale "weight" is that of the conversion
    assert rule_state(load_rule_state(fresh, state)) == state
    assert rule_state(load_rule_state(fresh, {})) == {}
    assert type(fresh[5]) is nn.Linear


def test_rule_state_of_a_part_can_be_taken_from_the_whole(rule):
    wrapper = nn.ModuleDict({"body": apply_rule(network(), rule, seed=2).eval()})
    state = rule_state(wrapper)
    assert list(state) == ["body.0", "body.3", "body.5"]
    fresh = load_rule_state(nn.ModuleDict({"body": network().eval()}), state)
    assert torch.equal(input_gradient(fresh["body"]), input_gradient(wrapper["body"]))


def test_settings_of_a_rule_are_part_of_its_state():
    state = rule_state(apply_rule(network(), WeightMirror(rate=0.2, samples=7)))
    assert state["5"]["options"] == {"rate": 0.2, "samples": 7}
    fresh = load_rule_state(network(), state)
    assert fresh[5]._bindings["weight"].rule == WeightMirror(rate=0.2, samples=7)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.update({"6": s.pop("5")}), r"'fa' to layer '6' \(5, 64\), which the network does not have"),
        (lambda s: s["5"].update(shape=[5, 65]), r"'fa' to layer '5' \(Linear\) with feedback of shape \(5, 65\).*\(5, 64\)"),
        (lambda s: s["5"].update(rule="faa"), "did you mean 'fa'"),
        (lambda s: s["5"].pop("seed"), "'5' is damaged: 'seed'"),
        (lambda s: s["5"].update(scale=-1.0), "positive number"),
        (lambda s: s["5"].update(scale="weight"), "is no number"),
        (lambda s: s["5"].update(seed="x"), "integer"),
        (lambda s: s["5"].update(options={"hue": 1}), "does not take"),
        (lambda s: s.update({"5": None}), "'5' is damaged: None is no mapping"),
    ],
)
def test_a_state_of_another_network_is_refused_and_changes_nothing(change, message):
    state = rule_state(apply_rule(network(), "fa"))
    change(state)
    target = network()
    with pytest.raises((RuleError, UnknownNameError), match=message):
        load_rule_state(target, state)
    assert rule_state(target) == {}
    with pytest.raises(RuleError, match="list"):
        load_rule_state(target, [])
