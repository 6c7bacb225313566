"""Holding the norms of weights where they were, on networks with and without rules."""

from __future__ import annotations

import copy
import json
import math

import pytest
import torch
from rule_helpers import X, network
from torch import nn

from biodeephashing.bio import RULES, NormConstraint, apply_rule, give_target, track_optimizer
from biodeephashing.errors import RuleError

OPTIMIZERS = {"sgd": lambda p: torch.optim.SGD(p, lr=0.3, momentum=0.9, weight_decay=0.1), "adam": lambda p: torch.optim.Adam(p, lr=0.1)}


def norms(module):
    return {name: parameter.detach().double().norm().item() for name, parameter in module.named_parameters() if parameter.dim() > 1}


def train(module, optimizer, steps=5):
    for _ in range(steps):
        give_target(module, torch.eye(5)[:4])
        optimizer.zero_grad()
        (module(X) - 1).square().mean().backward()
        optimizer.step()


def test_one_step_by_hand():
    """W = (3, 4) has norm 5, and y = W x at x = (1, 0) the gradient (1, 0): a step of 6 leads to (-3, 4), one of 3 to (0, 4)."""
    for rate, expected in ((6.0, [-3.0, 4.0]), (3.0, [0.0, 5.0])):
        layer = nn.Linear(2, 1, bias=False)
        layer.weight.data = torch.tensor([[3.0, 4.0]])
        optimizer = torch.optim.SGD(layer.parameters(), lr=rate)
        NormConstraint(layer, optimizer)
        layer(torch.tensor([[1.0, 0.0]])).sum().backward()
        optimizer.step()
        assert layer.weight[0].tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("rule", [None, *sorted(RULES)])
def test_norms_stay(rule, optimizer):
    module = network() if rule is None else apply_rule(network(), rule)
    free = copy.deepcopy(module)
    before, identities = norms(module), [id(parameter) for parameter in module.parameters()]
    for one, held in ((module, True), (free, False)):
        steps = OPTIMIZERS[optimizer](one.parameters())
        track_optimizer(one, steps)
        if held:
            NormConstraint(one, steps)
        train(one, steps)
    after = norms(module)
    assert after == pytest.approx(before, rel=1e-6)
    assert any(abs(value / before[name] - 1) > 0.01 for name, value in norms(free).items())  # the test could fail
    assert [id(parameter) for parameter in module.parameters()] == identities
    assert all(math.isfinite(value) for value in after.values())


def test_biases_and_normalisation_are_free():
    module = network()
    before = {name: parameter.detach().clone() for name, parameter in module.named_parameters()}
    optimizer = OPTIMIZERS["sgd"](module.parameters())
    NormConstraint(module, optimizer)
    train(module, optimizer)
    matrices = {name for name, parameter in module.named_parameters() if parameter.dim() > 1}
    kept = {name for name, parameter in module.named_parameters() if torch.isclose(parameter.norm(), before[name].norm(), rtol=1e-5)}
    assert kept == matrices


def test_frozen_weights_are_not_touched():
    module = network()
    module[0].weight.requires_grad_(False)
    constraint = NormConstraint(module)
    with torch.no_grad():
        module[0].weight.mul_(2)
        module[5].weight.mul_(2)
    frozen, held = module[0].weight.clone(), constraint.state_dict()["5"]
    constraint.apply()
    assert torch.equal(module[0].weight, frozen)
    assert module[5].weight.norm().item() == pytest.approx(held, rel=1e-6)


def test_attention_is_held_too():
    module = nn.Sequential(nn.Linear(4, 8), nn.MultiheadAttention(8, 2))
    assert list(NormConstraint(module).state_dict()) == ["0", "1.in_proj_weight", "1.out_proj"]


def test_apply_without_an_optimizer_and_remove():
    layer = nn.Linear(3, 3)
    optimizer = torch.optim.SGD(layer.parameters(), lr=1.0)
    constraint, first = NormConstraint(layer, optimizer), layer.weight.norm().item()
    constraint.remove()
    layer(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    assert layer.weight.norm().item() != pytest.approx(first, rel=1e-3)
    constraint.apply()
    assert layer.weight.norm().item() == pytest.approx(first, rel=1e-6)
    NormConstraint(layer).remove()  # nothing to remove


def test_a_state_goes_through_json_and_holds_the_first_norms():
    one = network()
    first = NormConstraint(one)
    state = json.loads(json.dumps(first.state_dict()))
    with torch.no_grad():
        one[5].weight.mul_(3)
    resumed = NormConstraint(one)
    resumed.load_state_dict(state)
    resumed.apply()
    assert resumed.state_dict() == first.state_dict()
    assert one[5].weight.norm().item() == pytest.approx(state["5"], rel=1e-6)


def test_the_norms_of_another_network_are_refused():
    with pytest.raises(RuleError, match="the norms belong to another network: '' is in only one"):
        NormConstraint(nn.Linear(2, 2)).load_state_dict({})


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf")])
def test_a_norm_that_cannot_be_held_names_its_layer(value):
    module = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    nn.init.constant_(module[1].weight, value)
    with pytest.raises(RuleError, match=r"the weight of layer '1' has norm (0\.0|nan|inf): .* positive and finite"):
        NormConstraint(module)


def test_a_network_without_weights_is_refused():
    with pytest.raises(RuleError, match="BatchNorm2d holds no weight whose norm could be held"):
        NormConstraint(nn.BatchNorm2d(3))


def test_half_precision_keeps_its_norm_to_rounding():
    layer = nn.Linear(64, 64).bfloat16()
    constraint, before = NormConstraint(layer), layer.weight.float().norm().item()
    with torch.no_grad():
        layer.weight.mul_(1.7)
    constraint.apply()
    assert layer.weight.float().norm().item() == pytest.approx(before, rel=2**-8)


@pytest.mark.gpu
def test_a_gpu_holds_norms(rule):
    module = apply_rule(network().cuda(), rule)
    before = norms(module)
    optimizer = OPTIMIZERS["sgd"](module.parameters())
    track_optimizer(module, optimizer)
    NormConstraint(module, optimizer)
    for _ in range(3):
        give_target(module, torch.eye(5)[:4].cuda())
        optimizer.zero_grad()
        (module(X.cuda()) - 1).square().mean().backward()
        optimizer.step()
    assert norms(module) == pytest.approx(before, rel=1e-6)
