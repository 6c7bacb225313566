"""What conversion keeps, and what can be undone."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from rule_helpers import X, input_gradient, label, matrices, network, one_hot, ready
from rule_oracle import THROUGH_B, from_buffers
from torch import nn
from torch.nn.utils import parametrizations, parametrize

from biodeephashing.bio import (
    RULES,
    BroadcastRule,
    LearningRule,
    apply_rule,
    describe,
    give_target,
    plain_state_dict,
    remove_rule,
    rule_state,
)
from biodeephashing.errors import RuleError

LEARNED = ("kp", "wm")


def test_each_entry_carries_its_name_and_its_documentation(rule):
    entry = RULES[rule]
    assert entry.name == rule
    assert issubclass(entry, LearningRule)
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
    assert list(plain_state_dict(plain)) == keys
    learned = {f"{n}.weight_feedback" for n in ("0", "3", "5")} if rule in LEARNED else set()
    assert set(plain.state_dict()) == {*keys, *learned}
    assert not plain.training
    assert not plain[0].weight.requires_grad
    assert isinstance(plain[0], nn.Conv2d)
    assert isinstance(plain[5], nn.Linear)
    label(plain, len(X))
    assert torch.equal(plain(X), wanted)
    assert f"rule={rule})" in repr(plain[5])


def test_the_optimizer_never_sees_a_matrix(rule):
    module = apply_rule(network(), rule)
    plain = network()
    assert [name for name, _ in module.named_parameters()] == [name for name, _ in plain.named_parameters()]
    before = {name: matrix.clone() for name, matrix in matrices(module).items()}
    ready(module, classes=5)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, weight_decay=0.5)
    module(X).square().sum().backward()
    optimizer.step()
    assert all(torch.equal(before[name], matrix) and not matrix.requires_grad for name, matrix in matrices(module).items())
    assert bool(before) == RULES[rule].seeded


def test_a_plain_checkpoint_loads_and_the_feedback_is_that_of_the_seed(rule):
    plain, converted = network().eval(), apply_rule(network(), rule, seed=6).eval()
    drawn = {name: matrix.clone() for name, matrix in matrices(converted).items()}
    with torch.no_grad():
        plain[5].weight.mul_(2)
        for matrix in matrices(converted).values():
            if rule in LEARNED:
                matrix.zero_()  # as if it had learned
    converted.load_state_dict(plain.state_dict(), strict=True)
    assert all(torch.equal(drawn[name], matrix) for name, matrix in matrices(converted).items())
    wanted = plain(X)
    with torch.no_grad():
        assert torch.equal(converted(X), wanted)


def test_a_converted_checkpoint_loads_into_the_plain_network_and_back(rule):
    converted = apply_rule(network(), rule, seed=6)
    with torch.no_grad():
        for tensor in converted.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(0.25)
    plain = network()
    plain.load_state_dict(plain_state_dict(converted), strict=True)
    assert list(plain_state_dict(converted)) == list(plain.state_dict())
    assert all(torch.equal(value, converted.state_dict()[name]) for name, value in plain.state_dict().items())
    again = apply_rule(network(), rule, seed=6)
    again.load_state_dict(converted.state_dict(), strict=True)
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in converted.state_dict().items())
    assert torch.equal(input_gradient(again.eval()), input_gradient(converted.eval()))


@pytest.mark.parametrize("rule", LEARNED)
def test_learned_feedback_of_another_network_is_refused(rule):
    converted = apply_rule(network(), rule)
    state = converted.state_dict()
    state["5.weight_feedback"] = torch.zeros(5, 65)
    words = rf"feedback of shape \(5, 65\) for rule '{rule}' of layer '5' \(Linear\), whose feedback is \(5, 64\)"
    with pytest.raises(RuleError, match=words):
        converted.load_state_dict(state)


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


@pytest.mark.parametrize("second", ["bp", "usf", "frsf", "kp", "dfa"])
def test_a_second_rule_replaces_the_first(rule, second):
    once = apply_rule(network(), second, seed=3)
    twice = apply_rule(apply_rule(network(), rule, seed=3), second, seed=3)
    assert matrices(twice).keys() == matrices(once).keys()
    assert twice.state_dict().keys() == once.state_dict().keys()
    assert rule_state(twice) == rule_state(once)
    assert torch.equal(input_gradient(twice.eval()), input_gradient(once.eval()))


def test_hooks_stay(rule):
    layer, seen = nn.Linear(3, 2), []
    layer.register_forward_pre_hook(lambda *_: seen.append("pre"))
    layer.register_forward_hook(lambda *_: seen.append("post"))
    layer.register_full_backward_hook(lambda *_: seen.append("backward"))
    ready(apply_rule(layer, rule))
    give_target(layer, one_hot(1, 2))
    layer(torch.randn(1, 3, requires_grad=True)).sum().backward()
    assert seen == ["pre", "post", "backward"]


@pytest.mark.parametrize("frozen", ["weight", "bias", "both"])
def test_frozen_parameters_get_no_gradient_and_pass_the_error_on(rule, frozen):
    free, part = (ready(apply_rule(network(), rule, seed=1), classes=5) for _ in range(2))
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
    layer = normalise(nn.Linear(4, 3, dtype=torch.float64)).eval()
    x = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    keys, wanted = list(layer.state_dict()), layer(x)
    exact = torch.autograd.grad(wanted.square().sum(), list(layer.parameters()))
    apply_rule(layer, rule)
    assert list(plain_state_dict(layer)) == keys
    assert len(describe(layer)) == 1
    label(layer, 2)
    output = layer(x)
    assert torch.equal(output, wanted)
    found = torch.autograd.grad(output.square().sum(), list(layer.parameters()))
    for one, other in zip(found, exact, strict=True):
        torch.testing.assert_close(one, other)
    if normalise is parametrizations.weight_norm:
        with torch.no_grad():
            assert torch.equal(copy.deepcopy(layer)(x), wanted)
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


def test_dtype_and_device_moves_take_the_matrix_along(rule):
    module = apply_rule(network(), rule).double()
    assert all(matrix.dtype == torch.float64 for matrix in matrices(module).values())
    assert input_gradient(module.eval(), X.double()).dtype == torch.float64
    assert all(matrix.is_meta for matrix in matrices(module.to("meta")).values())


@pytest.mark.gpu
def test_matrices_are_the_same_on_the_gpu(rule):
    here, moved = apply_rule(network(), rule, seed=3), apply_rule(network(), rule, seed=3).cuda()
    there = apply_rule(network().cuda(), rule, seed=3)
    for name, matrix in matrices(here).items():
        assert torch.equal(matrix, matrices(moved)[name].cpu())
        assert torch.equal(matrix, matrices(there)[name].cpu())
    wanted = input_gradient(here.eval())
    for module in (moved, there):
        torch.testing.assert_close(input_gradient(module.eval(), X.cuda()).cpu(), wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("rule", THROUGH_B)
def test_a_shared_module_stays_one_module_with_one_matrix(rule):
    shared = nn.Linear(4, 4, dtype=torch.float64)
    both = ready(apply_rule(nn.Sequential(shared, nn.Tanh(), shared), rule, scale=0.5))
    assert both[0] is both[2]
    assert len(matrices(both)) == int(RULES[rule].seeded)
    x = torch.randn(1, 4, dtype=torch.float64, requires_grad=True)
    found = torch.autograd.grad(both(x).sum(), x)[0]
    hidden, feedback = torch.tanh(shared(x)), from_buffers(rule, shared, 0.5)
    wanted = (torch.ones(1, 4, dtype=torch.float64) @ feedback * (1 - hidden**2)) @ feedback
    torch.testing.assert_close(found, wanted.detach())


def test_the_root_module_itself(rule):
    layer = apply_rule(nn.Conv1d(2, 3, 2), rule)
    assert list(rule_state(layer)) == [""]
    assert describe(layer)[0].name == ""


def test_copies_and_pickles(rule):
    converted = apply_rule(network(), rule, seed=4).eval()
    for copied in (copy.deepcopy(converted), pickle.loads(pickle.dumps(converted))):
        assert [type(m) for m in copied.modules()] == [type(m) for m in converted.modules()]
        assert rule_state(copied) == rule_state(converted)
        assert torch.equal(input_gradient(copied), input_gradient(converted))
        assert all(a.data_ptr() != b.data_ptr() for a, b in zip(matrices(copied).values(), matrices(converted).values(), strict=True))
        assert type(remove_rule(copied)[5]) is nn.Linear
        assert rule_state(converted)


def test_the_registry_holds_both_kinds():
    assert {rule for rule, kind in RULES.items() if issubclass(kind, BroadcastRule)} == {"dfa", "drtp"}
    assert sorted(RULES) == ["bp", "brsf", "dfa", "drtp", "fa", "frsf", "kp", "usf", "wm"]
