"""Where a signal cannot arrive: parts alone, hidden layers, odd outputs, missing targets, damaged states."""

from __future__ import annotations

import pytest
import torch
from rule_helpers import X, input_gradient, label, network, one_hot
from rule_oracle import BROADCAST, gradients, inputs, mlp
from torch import nn
from torch.utils.checkpoint import checkpoint

from biodeephashing.bio import apply_rule, give_target, load_rule_state, rule_state
from biodeephashing.errors import RuleError

each = pytest.mark.parametrize("rule", BROADCAST)


class Checkpointed(nn.Module):
    def __init__(self, reentrant):
        super().__init__()
        self.first, self.rest, self.reentrant, self.on = nn.Linear(4, 4), mlp().float(), reentrant, True

    def forward(self, x):
        hidden = self.first(x).tanh()
        return checkpoint(self.rest, hidden, use_reentrant=self.reentrant) if self.on else self.rest(hidden)


@each
def test_activation_checkpointing(rule):
    torch.manual_seed(0)
    module = apply_rule(Checkpointed(reentrant=False), rule)
    x = inputs(5, 4).float()
    found = gradients(module, x)
    module.on = False
    for one, other in zip(found, gradients(module, x), strict=True):
        assert torch.equal(one, other)


@each
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("before", [False, True])
def test_checkpointing_that_hides_the_layers_is_no_silence(rule, whole, before):
    torch.manual_seed(0)
    module, x = Checkpointed(reentrant=True), inputs(5, 4).float()
    if whole:
        module.first = nn.Identity()
    apply_rule(module, rule)
    if before:
        module.on = False
        gradients(module, x)
        module.on = True
    label(module, 5)
    with pytest.raises(RuleError, match="use_reentrant=False"):
        module(x.requires_grad_()).square().sum().backward()


class Returns(nn.Module):
    def __init__(self, change):
        super().__init__()
        self.layer, self.change = nn.Conv2d(3, 2, 3), change

    def forward(self, x):
        return self.change(self.layer(x))


@each
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda y: (y.flatten(1), y), "returns a tuple"),
        (lambda y: {"codes": y}, "returns a dict"),
        (lambda y: y, r"returns a tensor of shape \(4, 2, 4, 4\)"),
        (lambda y: y.flatten(2), r"returns a tensor of shape \(4, 2, 16\)"),
    ],
)
def test_networks_whose_output_is_not_one_row_for_each_image(rule, change, words):
    module = apply_rule(Returns(change), rule)
    label(module, 4)
    with pytest.raises(RuleError, match=rf"'{rule}' starts from the network's output.*{words}"):
        module(X.clone().requires_grad_())
    with torch.no_grad():
        module(X)


@each
def test_an_output_of_one_row_for_several_images(rule):
    module = apply_rule(Returns(lambda y: y.flatten(1)[:3]), rule)
    label(module, 3)
    with pytest.raises(RuleError, match=r"which rows of the input \(4, 3, 6, 6\) of layer 'layer' \(Conv2d\).*3 rows"):
        module(X.clone().requires_grad_())


@each
def test_a_part_that_is_called_alone(rule):
    module = apply_rule(network(), rule)
    hidden = torch.randn(4, 64, requires_grad=True)
    words = rf"'{rule}' carries a signal from the network's output to layer '5' \(Linear\), which was called on its own"
    for _ in range(2):  # before and after a pass of the whole
        with pytest.raises(RuleError, match=words):
            module[5](hidden)
        with torch.no_grad():
            module[5](hidden)
        input_gradient(module)
    with pytest.raises(RuleError, match="called on its own"):
        module[3:](torch.randn(4, 4, 6, 6, requires_grad=True))


class ChangedInput(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 3).requires_grad_(False)

    def forward(self, x):
        hidden = self.first(x)
        output = self.second(hidden)
        hidden.relu_()  # of no consequence to the frozen layer above, which does not keep its input
        return output


@each
def test_an_input_that_is_changed_in_place_afterwards(rule):
    module = apply_rule(ChangedInput(), rule)
    label(module, 2)
    with pytest.raises(RuleError, match=rf"input of layer 'second' \(Linear\) was changed in place .*'{rule}'"):
        module(torch.ones(2, 4))


def test_targets():
    module = apply_rule(network(), "drtp")
    with pytest.raises(RuleError, match=r"'drtp' sends the target down through Sequential, whose output is \(4, 5\): call give_target"):
        module(X)
    give_target(module, one_hot(4, 5))
    module(X)
    with pytest.raises(RuleError, match="before each forward pass"):
        module(X)
    give_target(module, one_hot(3, 5))
    with pytest.raises(RuleError, match="given 3 targets for a batch of 4"):
        module(X)
    for target, words in (
        (torch.arange(4), r"not \(4,\)"),
        (torch.ones(4, 5, 1), r"not \(4, 5, 1\)"),
        ([[1, 0]], "not list"),
    ):
        with pytest.raises(RuleError, match=words):
            give_target(module, target)
    give_target(nn.Sequential(module), one_hot(4, 5))
    module(X)
    give_target(apply_rule(network(), "dfa"), one_hot(4, 5))


@each
@pytest.mark.parametrize("change", [{"root": "nowhere"}, {"width": "wide"}, {"width": 0}, {"root": None}])
def test_a_damaged_state_is_refused_and_changes_nothing(rule, change):
    state = rule_state(apply_rule(network(), rule))
    state["3"].update(change)
    target = network()
    with pytest.raises(RuleError, match="'3'"):
        load_rule_state(target, state)
    assert rule_state(target) == {}
