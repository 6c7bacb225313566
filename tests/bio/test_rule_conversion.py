"""What conversion keeps, and what can be undone."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from rule_helpers import X, input_gradient, matrices, network
from torch import nn
from torch.nn.utils import parametrizations, parametrize

from biodeephashing.bio import RULES, Rule, apply_rule, describe, remove_rule, rule_state
from biodeephashing.errors import RuleError


def test_each_entry_carries_its_name_and_its_documentation(rule):
    entry = RULES[rule]
    assert entry.name == rule
    assert issubclass(entry, Rule)
    assert all(word in entry.__doc__ for word in (".. math::", "Reference:", "Example:"))
    assert ">>>" in entry.__doc__
    assert "pruned weight" in " ".join(entry.__doc__.split())


def test_objects_names_flags_and_state_dict_stay(rule):
    plain = network().eval()
    plain[0].weight.requires_grad_(False)
    before = dict(plain.named_parameters())
    keys, wanted = list(plain.state_dict()), plain(X)
    same = apply_rule(plain, rule)
    assert same is plain
    after = dict(plain.named_parameters())
    assert list(after) == list(before)
    assert all(after[n] is before[n] for n in before)
    assert list(plain.state_dict()) == keys
    assert not plain.training
    assert not plain[0].weight.requires_grad
    assert isinstance(plain[0], nn.Conv2d)
    assert isinstance(plain[5], nn.Linear)
    assert torch.equal(plain(X), wanted)
    assert rule in repr(plain[5])


def test_checkpoints_go_in_and_out_unchanged(rule):
    plain, converted = network(), apply_rule(network(), rule)
    with torch.no_grad():
        plain[5].weight.mul_(2)
    converted.load_state_dict(plain.state_dict(), strict=True)
    assert torch.equal(converted(X), plain(X))
    fresh = network()
    fresh.load_state_dict(converted.state_dict(), strict=True)
    assert torch.equal(fresh(X), plain(X))


def test_remove_rule_gives_the_plain_network_back(rule):
    plain = network()
    classes, buffers, wanted = [type(m) for m in plain.modules()], list(dict(plain.named_buffers())), input_gradient(plain)
    untouched = copy.deepcopy(plain)
    assert remove_rule(apply_rule(plain, rule)) is plain
    assert [type(m) for m in plain.modules()] == classes
    assert list(dict(plain.named_buffers())) == buffers
    assert vars(plain[5]).keys() == vars(untouched[5]).keys()
    assert repr(plain) == repr(untouched)
    assert torch.equal(input_gradient(plain), wanted)
    assert remove_rule(plain) is plain, "removing nothing is no error"


def test_a_second_rule_replaces_the_first():
    twice, once = apply_rule(apply_rule(network(), "fa"), "usf"), apply_rule(network(), "usf")
    assert matrices(twice) == {}
    assert rule_state(twice) == rule_state(once)
    assert torch.equal(input_gradient(twice), input_gradient(once))
    assert torch.equal(input_gradient(apply_rule(twice, "bp")), input_gradient(network()))


def test_hooks_stay(rule):
    layer, seen = nn.Linear(3, 2), []
    layer.register_forward_pre_hook(lambda *_: seen.append("pre"))
    layer.register_forward_hook(lambda *_: seen.append("post"))
    layer.register_full_backward_hook(lambda *_: seen.append("backward"))
    apply_rule(layer, rule)(torch.randn(1, 3, requires_grad=True)).sum().backward()
    assert seen == ["pre", "post", "backward"]


@pytest.mark.parametrize("frozen", ["weight", "bias", "both"])
def test_frozen_parameters_get_no_gradient_and_pass_the_error_on(rule, frozen):
    free, part = apply_rule(network(), rule, seed=1), apply_rule(network(), rule, seed=1)
    for layer in (part[3], part[5]):
        for name, parameter in layer.named_parameters():
            parameter.requires_grad_(name != frozen and frozen != "both")
    torch.testing.assert_close(input_gradient(part), input_gradient(free), rtol=1e-6, atol=1e-7)
    part(X).square().sum().backward()
    free(X).square().sum().backward()
    for name, parameter in part.named_parameters():
        if parameter.requires_grad:
            torch.testing.assert_close(parameter.grad, free.get_parameter(name).grad, rtol=1e-5, atol=1e-6)
        else:
            assert parameter.grad is None


@pytest.mark.parametrize("normalise", [parametrizations.weight_norm, torch.nn.utils.weight_norm])
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_parametrised_weights_stay_parametrised(rule, normalise):
    torch.manual_seed(0)
    layer = normalise(nn.Linear(4, 3, dtype=torch.float64))
    x = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    keys, wanted = list(layer.state_dict()), layer(x)
    exact = torch.autograd.grad(wanted.square().sum(), list(layer.parameters()))
    apply_rule(layer, rule)
    assert list(layer.state_dict()) == keys
    assert len(describe(layer)) == 1
    output = layer(x)
    assert torch.equal(output, wanted)
    found = torch.autograd.grad(output.square().sum(), list(layer.parameters()))
    for one, other in zip(found, exact, strict=True):
        torch.testing.assert_close(one, other)
    assert torch.equal(copy.deepcopy(layer)(x), wanted) if normalise is parametrizations.weight_norm else True
    assert torch.equal(remove_rule(layer)(x), wanted)


def test_a_parametrisation_added_after_the_rule(rule):
    layer = parametrizations.weight_norm(apply_rule(nn.Linear(4, 3), rule))
    assert rule_state(layer)[""]["rule"] == rule
    apply_rule(layer, "usf")
    assert rule_state(layer)[""]["rule"] == "usf"
    with pytest.raises(RuleError, match="undo that first"):
        remove_rule(layer)
    parametrize.remove_parametrizations(layer, "weight")
    assert type(remove_rule(layer)) is nn.Linear


def test_dtype_and_device_moves_take_the_matrix_along():
    layer = apply_rule(nn.Linear(4, 3), "fa").double()
    assert layer._feedback_matrix.dtype == torch.float64
    assert layer.to("meta")._feedback_matrix.device.type == "meta"


def test_a_shared_module_stays_one_module_with_one_matrix():
    shared = nn.Linear(4, 4, dtype=torch.float64)
    both = apply_rule(nn.Sequential(shared, nn.Tanh(), shared), "fa")
    assert both[0] is both[2]
    assert len(matrices(both)) == 1
    x = torch.randn(1, 4, dtype=torch.float64, requires_grad=True)
    found = torch.autograd.grad(both(x).sum(), x)[0]
    hidden, feedback = torch.tanh(shared(x)), shared._feedback_matrix
    wanted = (torch.ones(1, 4, dtype=torch.float64) @ feedback * (1 - hidden**2)) @ feedback
    torch.testing.assert_close(found, wanted)


def test_the_root_module_itself(rule):
    layer = apply_rule(nn.Conv1d(2, 3, 2), rule)
    assert list(rule_state(layer)) == [""]
    assert describe(layer)[0].name == ""


def test_copies_and_pickles(rule):
    converted = apply_rule(network(), rule, seed=4)
    for copied in (copy.deepcopy(converted), pickle.loads(pickle.dumps(converted))):
        assert [type(m) for m in copied.modules()] == [type(m) for m in converted.modules()]
        assert rule_state(copied) == rule_state(converted)
        assert torch.equal(input_gradient(copied), input_gradient(converted))
        assert all(a.data_ptr() != b.data_ptr() for a, b in zip(matrices(copied).values(), matrices(converted).values(), strict=True))
