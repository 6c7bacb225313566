"""What the tests of the learning rules share."""

from __future__ import annotations

import torch
from torch import nn

from biodeephashing.bio import RULES, give_target, rule_state, track_optimizer

X = torch.randn(4, 3, 6, 6, generator=torch.Generator().manual_seed(0))


def network():
    """A small network with every kind of part; always the same weights."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3, groups=2), nn.Flatten(), nn.Linear(64, 5)
    )


def ready(module, classes=None):
    """Prepare a converted module for passes in training mode, and return it.

    Rules that change with the steps follow an optimizer that never steps. With a number of classes, every forward pass is preceded
    by one-hot targets for as many rows as its first input has; without it, call :func:`label` before a pass by ``drtp``.
    """
    if any(RULES[state["rule"]].changes for state in rule_state(module).values()):
        track_optimizer(module, torch.optim.SGD(list(module.parameters()), lr=0.0))
    if classes is not None:
        module.register_forward_pre_hook(lambda part, inputs: give_target(part, one_hot(len(inputs[0]), classes)))
    return module


def one_hot(batch, classes):
    """Targets 0, 1, 2, ... for the rows of a batch."""
    return torch.eye(classes)[torch.arange(batch) % classes]


def label(module, batch):
    """Hand one-hot targets to the rules that send them down, as wide as the rules expect; for others nothing happens."""
    for width in {bus.width for part in module.modules() for bus in getattr(part, "_buses", ())}:
        give_target(module, one_hot(batch, width))


def input_gradient(module, x=X):
    """What arrives at the input when every output wants to be zero."""
    x = x.clone().requires_grad_()
    label(module, len(x))
    return torch.autograd.grad(module(x).square().sum(), x)[0]


def matrices(module):
    """The random or learned matrices, or the numbers they are taken from, by name."""
    return {n: b for n, b in module.named_buffers() if n.endswith("_feedback")}
