"""Numbers that were worked out on paper."""

from __future__ import annotations

import pytest
import torch
from rule_helpers import ready
from torch import nn

from biodeephashing.bio import WeightMirror, apply_rule, give_target, track_optimizer

WEIGHT = torch.tensor([[2.0, -1.0], [0.0, 3.0]])
MATRIX = torch.tensor([[0.1, 0.2], [0.3, -0.4]])


def converted(rule):
    layer = nn.Linear(2, 2)
    with torch.no_grad():
        layer.weight.copy_(WEIGHT)
        layer.bias.copy_(torch.tensor([0.0, 1.0]))
    return apply_rule(layer, rule, scale=0.5)


def outcome(layer):
    """x = (1, 4), L = y1 + 10·y2: all that comes of it."""
    x = torch.tensor([[1.0, 4.0]], requires_grad=True)
    y = layer(x)
    layer.zero_grad()
    (y * torch.tensor([1.0, 10.0])).sum().backward()
    return y[0].tolist(), x.grad[0].tolist(), layer.weight.grad.tolist(), layer.bias.grad.tolist()


# W = [[2, -1], [0, 3]], x = (1, 4), b = (0, 1):   y = (2·1 - 1·4, 3·4 + 1) = (-2, 13)
# L = y1 + 10·y2, so g = e = (1, 10);   dL/dW = gᵀx = [[1, 4], [10, 40]];   dL/db = (1, 10)
# bp:  g W       = (2·1 + 0·10, -1·1 + 3·10)                   = (2, 29)
# usf: g ½ σ(W)  = ½ (1·1 + 0·10, -1·1 + 1·10)                 = (0.5, 4.5)      σ(0) = 0
# fa, kp, wm, M = [[.1, .2], [.3, -.4]]:   (.1 + 3, .2 - 4)      = (3.1, -3.8)
# dfa: e M                                                      = (3.1, -3.8)
# drtp, target (0, 1) of a batch of one: the second row of M     = (.3, -.4)
# frsf, |M|∘σ(W) = [[.1, -.2], [0, .4]]:   (.1, -.2 + 4)         = (0.1, 3.8)
DOWN = {
    "bp": (2.0, 29.0),
    "usf": (0.5, 4.5),
    "fa": (3.1, -3.8),
    "kp": (3.1, -3.8),
    "wm": (3.1, -3.8),
    "dfa": (3.1, -3.8),
    "drtp": (0.3, -0.4),
    "frsf": (0.1, 3.8),
}


@pytest.mark.parametrize("rule", DOWN)
def test_two_by_two(rule):
    layer = ready(converted(rule))
    if rule not in ("bp", "usf"):
        layer.weight_feedback.copy_(MATRIX.abs() if rule == "frsf" else MATRIX)
    give_target(layer, torch.tensor([[0.0, 1.0]]))
    y, down, for_weight, for_bias = outcome(layer)
    assert y == [-2.0, 13.0]
    assert down == pytest.approx(DOWN[rule])
    assert for_weight == [[1.0, 4.0], [10.0, 40.0]]
    assert for_bias == [1.0, 10.0]


@pytest.mark.parametrize(
    ("start", "down"),
    [
        (0, (0.1, 3.8)),  # |M| = [[.1, .2], [.3, .4]]: as frsf
        (1, (0.2, 4.7)),  # |M| = [[.2, .3], [.4, .5]]: (.2, -.3 + 10·.5)
    ],
)
def test_two_by_two_from_a_table(start, down):
    layer = ready(converted("brsf"))
    layer.weight_feedback = torch.tensor([0.1, 0.2, 0.3, 0.4, 0.5])
    layer.weight_feedback_starts.fill_(start)
    assert outcome(layer)[1] == pytest.approx(down)


@pytest.mark.parametrize(("rule", "signal"), [("dfa", 3.0), ("drtp", 1.0)])
def test_two_layers_that_hear_a_signal(rule, signal):
    # W₁ = W, no biases: W₁x = (-2, 12), h = relu = (0, 12), out = h₁ - h₂ = -12, L = 3·out, so e = 3; the target is (1)
    # dL/dW₂ = e h = (0, 36) whatever the rule
    # dfa: δh = e (.5, -.5) = (1.5, -1.5), relu' lets (0, -1.5) pass, dL/dW₁ = [[0, 0], [-1.5, -6]]; δx = e (.1, .2)
    # drtp: 1 instead of e = 3, in all but the last layer's own gradient
    network = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 1, bias=False))
    with torch.no_grad():
        network[0].weight.copy_(WEIGHT)
        network[2].weight.copy_(torch.tensor([[1.0, -1.0]]))
    apply_rule(network, rule)
    network[0].weight_feedback.copy_(torch.tensor([[0.1, 0.2]]))
    network[2].weight_feedback.copy_(torch.tensor([[0.5, -0.5]]))
    x = torch.tensor([[1.0, 4.0]], requires_grad=True)
    give_target(network, torch.ones(1, 1))
    (3 * network(x)).sum().backward()
    assert network[2].weight.grad.tolist() == [[0.0, 36.0]]
    assert network[0].weight.grad.tolist() == [[0.0, 0.0], [-0.5 * signal, -2.0 * signal]]
    assert x.grad[0].tolist() == pytest.approx([0.1 * signal, 0.2 * signal])


def test_two_steps_of_kolen_and_pollack():
    # lr = 0.1, momentum 0.9, decay 0.5; the gradient is G = [[1, 4], [10, 40]] in both steps. For B, with its own momentum:
    # v = G + ½ B = [[1.05, 4.1], [10.15, 39.8]]                  B ← B - 0.1 v = [[-.005, -.21], [-.715, -4.38]]
    # v = 0.9 v + G + ½ B = [[1.9425, 7.585], [18.7775, 73.63]]   B ← B - 0.1 v = [[-.19925, -.9685], [-2.59275, -11.743]]
    # the difference to W, D = [[1.9, -1.2], [-.3, 3.4]], knows no G: v = ½ D, D ← .95 D, v = .9·½ D + ½·.95 D, D ← .8575 D
    layer = converted("kp")
    layer.weight_feedback.copy_(MATRIX)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9, weight_decay=0.5)
    track_optimizer(layer, optimizer)
    for wanted in ([[-0.005, -0.21], [-0.715, -4.38]], [[-0.19925, -0.9685], [-2.59275, -11.743]]):
        outcome(layer)
        optimizer.step()
        torch.testing.assert_close(layer.weight_feedback, torch.tensor(wanted))
    distance = (layer.weight - layer.weight_feedback).detach()
    torch.testing.assert_close(distance, 0.8575 * (WEIGHT - MATRIX), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("rate", "wanted"),
    [
        (1.0, [[1.5, 0.5], [1.5, 1.5]]),
        (0.5, [[0.8, 0.35], [0.9, 0.55]]),
    ],
)
def test_a_mirror_phase(rate, wanted, monkeypatch):
    # ξ = (1, 0) and (1, 1): y = (2, 0) and (1, 3);   ½ Σ y ξᵀ = ½ ([[2, 0], [0, 0]] + [[1, 1], [3, 3]]) = [[1.5, .5], [1.5, 1.5]]
    monkeypatch.setattr(torch, "randn", lambda *shape, **_: torch.tensor([[[1.0, 0.0], [1.0, 1.0]]]).reshape(shape))
    matrix = MATRIX.clone()
    WeightMirror(rate=rate, samples=2).mirror(WEIGHT, matrix, False, 1, torch.Generator())
    torch.testing.assert_close(matrix, torch.tensor(wanted))
