"""Optimizers within optimizers: which steps the feedback follows, and what it cannot follow."""

from __future__ import annotations

import warnings
from itertools import pairwise

import pytest
import timm.optim
import torch
from rule_helpers import X, network
from torch import nn

from biodeephashing.bio import NormConstraint, apply_rule, feedback_matrix, track_optimizer
from biodeephashing.errors import RuleError

LAYERS = ("0", "3", "5")


class SAM(torch.optim.Optimizer):
    """Sharpness-aware minimization (P. Foret et al., 2021): up the gradient by rho, and down from where one was by the gradient there."""

    def __init__(self, parameters, base, rho=0.3, **settings):
        super().__init__(parameters, {"rho": rho, **settings})
        self.base_optimizer = base(self.param_groups, **settings)
        self.param_groups = self.base_optimizer.param_groups

    @torch.no_grad()
    def first_step(self):
        weights = [weight for group in self.param_groups for weight in group["params"] if weight.grad is not None]
        norm = torch.stack([weight.grad.norm() for weight in weights]).norm()
        for weight in weights:
            self.state[weight]["before"] = weight.detach().clone()
            weight.add_(weight.grad, alpha=self.param_groups[0]["rho"] / norm)
        self.zero_grad()

    @torch.no_grad()
    def second_step(self):
        for group in self.param_groups:
            for weight in group["params"]:
                weight.copy_(self.state[weight]["before"])
        self.base_optimizer.step()
        self.zero_grad()

    def step(self, closure=None):
        assert closure is not None, "SAM computes the loss twice"
        with torch.enable_grad():
            closure()
            self.first_step()
            closure()
        self.second_step()


class Ascent:
    """The same by an object that is no optimizer: it goes down by what it went up, behind autograd's back."""

    def __init__(self, optimizer, rho=0.3):
        self.optimizer, self.rho = optimizer, rho

    def step(self, closure):
        closure()
        weights = [weight for group in self.optimizer.param_groups for weight in group["params"]]
        norm = torch.stack([weight.grad.norm() for weight in weights]).norm()
        ways = [self.rho * weight.grad / norm for weight in weights]
        for weight, way in zip(weights, ways, strict=True):
            weight.data.add_(way)
        self.optimizer.zero_grad()
        closure()
        for weight, way in zip(weights, ways, strict=True):
            weight.data.sub_(way)
        self.optimizer.step()
        self.optimizer.zero_grad()


class Lookahead:
    """k steps forward, one step back (M. R. Zhang et al., 2019)."""

    def __init__(self, optimizer, k=3, alpha=0.5):
        self.optimizer, self.k, self.alpha, self.count = optimizer, k, alpha, 0
        self.weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        self.slow = [weight.detach().clone() for weight in self.weights]

    def step(self, closure):
        self.optimizer.zero_grad()
        closure()
        self.optimizer.step()
        self.count += 1
        if self.count % self.k == 0:
            for weight, slow in zip(self.weights, self.slow, strict=True):
                slow.add_(weight.data - slow, alpha=self.alpha)
                weight.data.copy_(slow)


def sgd(module):
    return torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.0, weight_decay=0.5)


def started(rule):
    module = apply_rule(network().double(), rule, seed=3)
    x = X.double()
    return module, lambda: (module(x) - 1).square().mean().backward()


def in_two_calls(optimizer, closure):
    closure()
    optimizer.first_step()
    closure()
    optimizer.second_step()


def by_closure(optimizer, closure):
    optimizer.step(closure)


def after_backward(optimizer, closure):
    optimizer.zero_grad()
    closure()
    optimizer.step()


SHARPNESS = {
    "SAM by closure": (lambda module: SAM(module.parameters(), torch.optim.SGD, lr=0.1, weight_decay=0.5), by_closure),
    "SAM in two calls": (lambda module: SAM(module.parameters(), torch.optim.SGD, lr=0.1, weight_decay=0.5), in_two_calls),
    "no optimizer": (lambda module: Ascent(sgd(module)), by_closure),
    "wrapped twice": (
        lambda module: Several(SAM(module.parameters(), torch.optim.SGD, lr=0.1, weight_decay=0.5)),
        lambda several, closure: several.optimizers[0].step(closure),
    ),
}
LOOKING_AHEAD = {
    "timm": (lambda module: timm.optim.Lookahead(sgd(module), k=3), after_backward),
    "no optimizer": (lambda module: Lookahead(sgd(module)), by_closure),
}


def distances(module):
    return [module[int(name)].weight.detach() - feedback_matrix(module, name) for name in LAYERS]


@pytest.mark.parametrize("name", SHARPNESS)
def test_copied_steps_are_those_that_bring_the_weights_forward_not_up_and_down(name):
    make, step = SHARPNESS[name]
    module, closure = started("kp")
    plain = network().double()
    optimizer, theirs = make(module), make(plain)
    following, before = track_optimizer(module, optimizer), distances(module)
    for count in range(1, 4):
        step(optimizer, closure)
        for one, first in zip(distances(module), before, strict=True):
            torch.testing.assert_close(one, 0.95**count * first, rtol=1e-6, atol=1e-9)  # the decay's rate and nothing else
    assert following.step == 3
    step(theirs, lambda: (plain(X.double()) - 1).square().mean().backward())
    assert not torch.equal(module[5].weight, plain[5].weight)


def train(step, optimizer, closure, count):
    for _ in range(count):
        step(optimizer, closure)


@pytest.mark.parametrize("name", LOOKING_AHEAD)
def test_weights_that_are_moved_between_the_steps(name):
    make, step = LOOKING_AHEAD[name]
    module, closure = started("kp")
    optimizer = make(module)
    following = track_optimizer(module, optimizer)
    with pytest.raises(RuleError, match=r"Lookahead moves the weights between two steps of its SGD.*'kp'.*train with SGD alone"):
        train(step, optimizer, closure, 8)
    following.remove()
    track_optimizer(module, vars(optimizer).get("_base_optimizer") or optimizer.optimizer)
    with pytest.warns(UserWarning, match="something other than SGD moves the weights") as told:
        train(step, optimizer, closure, 8)
    assert len(told) == 1


@pytest.mark.parametrize("rule", ["brsf", "wm"])
def test_rules_that_copy_no_steps_go_with_any_wrapper(rule):
    for name, (make, step) in {**SHARPNESS, **LOOKING_AHEAD}.items():
        module, closure = started(rule)
        optimizer = make(module)
        following, seen = track_optimizer(module, optimizer), []
        for _ in range(4):
            step(optimizer, closure)
            seen.append(module[5].weight_feedback_starts.clone() if rule == "brsf" else module[5].weight_feedback.clone())
        assert following.step == 4, name
        assert all(not torch.equal(one, other) for one, other in pairwise(seen)), name


def test_what_belongs_to_a_step_or_is_undone_is_no_motion():
    for name, (make, step) in {**SHARPNESS, "alone": (sgd, after_backward)}.items():
        module, closure = started("kp")
        optimizer, norm = make(module), module[5].weight.norm()
        track_optimizer(module, optimizer)
        NormConstraint(module, optimizer)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for _ in range(3):
                step(optimizer, closure)
                torch.testing.assert_close(module[5].weight.norm(), norm, msg=name)
                kept = {name: value.clone() for name, value in module.state_dict().items()}
                with torch.no_grad():
                    module[5].weight.mul_(0.5)
                module.load_state_dict(kept)


def test_settings_are_those_that_a_step_begins_with():
    """Lamb counts its steps in the settings of its groups, as a tensor."""
    module, closure = started("kp")
    matrix = nn.Parameter(module[5].weight_feedback.clone())
    optimizer, alone = (timm.optim.Lamb(parameters, lr=0.1, max_grad_norm=None) for parameters in (module.parameters(), [matrix]))
    track_optimizer(module, optimizer)
    for _ in range(3):
        after_backward(optimizer, closure)
        matrix.grad = module[5].weight.grad.clone()
        alone.step()
    torch.testing.assert_close(module[5].weight_feedback, matrix.detach())
    assert optimizer.param_groups[0]["step"] == 3, "the optimizer's own settings are its own"


class Unhooked(torch.optim.Optimizer):
    def __init__(self, parameters):
        self.param_groups, self.defaults = [{"params": list(parameters)}], {}

    def step(self, closure=None):
        pass


class Closed(torch.optim.SGD):
    def step(self, closure=None):
        assert closure is not None, "computes the loss twice"


class Several:
    def __init__(self, *optimizers):
        self.optimizers = list(optimizers)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda module: Unhooked(module.parameters()), r"Unhooked calls no hooks.*super\(\)\.__init__\(params, defaults\)"),
        (lambda module: Closed(module.parameters()), "gradients alone, not Closed: computes the loss twice"),
        (lambda module: torch.optim.LBFGS(module.parameters()), "gradients alone, not LBFGS"),
        (
            lambda module: Several(sgd(module[0]), torch.optim.Adam(module[3:].parameters())),
            r"Several holds several optimizers \(SGD, Adam\)",
        ),
        (lambda module: Several(), "a Several is no optimizer and holds none"),
    ],
)
def test_optimizers_that_cannot_be_followed_are_refused_before_training(make, words):
    module, _ = started("kp")
    with pytest.raises(RuleError, match=words):
        track_optimizer(module, make(module))
    track_optimizer(module, sgd(module))
