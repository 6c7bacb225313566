"""What the tests of the learning rules share."""

from __future__ import annotations

import torch
from torch import nn

X = torch.randn(4, 3, 6, 6, generator=torch.Generator().manual_seed(0))


def network():
    """A small network with every kind of part; always the same weights."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3, groups=2), nn.Flatten(), nn.Linear(64, 5)
    )


def input_gradient(module, x=X):
    """What arrives at the input when every output wants to be zero."""
    x = x.clone().requires_grad_()
    return torch.autograd.grad(module(x).square().sum(), x)[0]


def matrices(module):
    """The random matrices by name."""
    return {n: b for n, b in module.named_buffers() if n.endswith("_feedback_matrix")}
