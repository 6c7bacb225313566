"""Conv1D of Hugging Face's Transformers, y = x W + b, and GPT-2, which is built of it."""

from __future__ import annotations

import pytest
import torch
from rule_helpers import one_hot, ready
from torch import nn

from biodeephashing.bio import WeightMirror, apply_rule, check_reach, describe, feedback_matrix, give_target, remove_rule, track_optimizer

transformers = pytest.importorskip("transformers")
Conv1D = transformers.pytorch_utils.Conv1D

# W = [[2, 0], [-1, 3]], x = (1, 4), b = (0, 1):   y = (2·1 - 1·4, 3·4 + 1) = (-2, 13)
# L = y1 + 10·y2, so g = e = (1, 10);   dL/dW = xᵀg = [[1, 10], [4, 40]]
# bp:  g Wᵀ      = (2·1 + 0·10, -1·1 + 3·10)                   = (2, 29)
# usf: g ½ σ(W)ᵀ = ½ (1·1 + 0·10, -1·1 + 1·10)                 = (0.5, 4.5)
# fa, kp, wm, M = [[.1, .3], [.2, -.4]], kept as W is:  g Mᵀ     = (.1 + 3, .2 - 4) = (3.1, -3.8)
# frsf, |M|∘σ(W) = [[.1, 0], [-.2, .4]]:                          (.1, -.2 + 4) = (0.1, 3.8)
# dfa: e [[.1, .3], [.2, -.4]], outputs × features               = (.1 + 2, .3 - 4) = (2.1, -3.7)
DOWN = {"bp": (2.0, 29.0), "usf": (0.5, 4.5), "frsf": (0.1, 3.8), "dfa": (2.1, -3.7), **dict.fromkeys(("fa", "kp", "wm"), (3.1, -3.8))}


def test_two_by_two():
    for rule, wanted in DOWN.items():
        layer = Conv1D(2, 2)
        with torch.no_grad():
            layer.weight.copy_(torch.tensor([[2.0, 0.0], [-1.0, 3.0]]))
            layer.bias.copy_(torch.tensor([0.0, 1.0]))
        ready(apply_rule(layer, rule, scale=0.5))
        if rule not in ("bp", "usf"):
            matrix = torch.tensor([[0.1, 0.3], [0.2, -0.4]])
            layer.weight_feedback.copy_(matrix.abs() if rule == "frsf" else matrix)
        x = torch.tensor([[1.0, 4.0]], requires_grad=True)
        y = layer(x)
        (y * torch.tensor([1.0, 10.0])).sum().backward()
        assert y[0].tolist() == [-2.0, 13.0], rule
        assert layer.weight.grad.tolist() == [[1.0, 10.0], [4.0, 40.0]], rule
        assert x.grad[0].tolist() == pytest.approx(wanted), rule


def test_every_rule_is_that_of_a_linear_layer_with_the_transposed_weight(rule):
    torch.manual_seed(0)
    layer, linear, x = Conv1D(5, 4).double(), nn.Linear(4, 5).double(), torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    with torch.no_grad():
        layer.weight.normal_()
        linear.weight.copy_(layer.weight.t())
    plain = layer(x)
    ready(apply_rule(layer, rule))
    give_target(layer, one_hot(2, 5))
    if rule in ("dfa", "drtp"):  # have no matrix of the weight's shape, but as many columns as the layer has inputs
        assert layer.weight_feedback.shape == (5 if rule == "drtp" else 4, 4)
        return
    upper = torch.randn_like(plain)
    assert torch.equal(layer(x), plain)
    found = torch.autograd.grad(layer(x), [x, layer.weight], upper)
    torch.testing.assert_close(found[0], upper @ feedback_matrix(layer, "").t())
    torch.testing.assert_close(found[1], torch.autograd.grad(linear(x), linear.weight, upper)[0].t())
    assert type(remove_rule(layer)) is Conv1D


def test_learned_feedback_follows():
    x = torch.randn(6, 3, requires_grad=True)
    for rule in ("kp", WeightMirror(rate=1.0, samples=100_000)):
        layer = apply_rule(Conv1D(2, 3), rule)
        optimizer = torch.optim.SGD(layer.parameters(), lr=0.1, weight_decay=0.5)
        track_optimizer(layer, optimizer)
        before = layer.weight.detach() - layer.weight_feedback
        layer(x).square().sum().backward()
        optimizer.step()
        wanted = 0.95 * before if rule == "kp" else torch.zeros(3, 2)
        torch.testing.assert_close(layer.weight.detach() - layer.weight_feedback, wanted, rtol=1e-4, atol=1e-6 if rule == "kp" else 0.02)


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        settings = {"n_layer": 2, "n_head": 2, "n_embd": 8, "vocab_size": 11, "n_positions": 6, "bos_token_id": 0, "eos_token_id": 0}
        self.body = transformers.GPT2Model(transformers.GPT2Config(**settings))
        self.head = nn.Linear(8, 3)

    def forward(self, tokens):
        return self.head(self.body(tokens).last_hidden_state[:, -1])


def test_gpt2_learns_by_every_rule():
    network, tokens = Classifier().eval(), torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8]])
    plain, name = network(tokens), "body.h.0.attn.c_attn"
    layer = network.get_submodule(name)
    exact = torch.autograd.grad(plain.square().sum(), layer.weight)[0]
    for rule in ("bp", "fa", "usf", "frsf", "brsf", "kp", "wm", "dfa", "drtp"):
        ready(apply_rule(network, rule))
        check_reach(network, tokens)
        give_target(network, one_hot(2, 3))
        output = network(tokens)
        assert torch.equal(output, plain), rule
        different = (torch.autograd.grad(output.square().sum(), layer.weight)[0] - exact).norm() / exact.norm()
        assert (different > 0.02) == (rule != "bp"), rule
        assert {row.layer for row in describe(network).exact} == {"Embedding", "LayerNorm"}
        assert name in [row.name for row in describe(network).converted]
