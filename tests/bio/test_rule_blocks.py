"""Large layers: B is made block by block, and is the same B."""

from __future__ import annotations

import pytest
import torch
from rule_helpers import label, matrices, ready
from rule_oracle import check_against_oracle, from_buffers, magnitudes_of_a_step, random
from torch import nn

from biodeephashing.bio import RULES, Rule, apply_rule, feedback_matrix, plain_state_dict

MILLION = 2**20
TALL = (2100, 1030)  # 1018 + 1018 + 64 rows; more than two blocks


@pytest.mark.parametrize("rule", ["usf", "frsf", "brsf"])
def test_b_of_a_large_linear_layer_is_never_whole(rule, monkeypatch):
    kind, sizes, whole = RULES[rule], [], []
    original = kind.write
    layer = ready(apply_rule(nn.Linear(TALL[1], TALL[0]), rule))
    monkeypatch.setattr(kind, "write", lambda self, out, *rest: sizes.append(tuple(out.shape)) or original(self, out, *rest))
    monkeypatch.setattr(kind, "feedback", lambda self, weight, *rest: whole.append(weight.shape))
    layer(torch.randn(3, TALL[1], requires_grad=True)).sum().backward()
    assert sizes == [(1018, 1030), (1018, 1030), (64, 1030)]
    assert 1018 * 1030 <= MILLION < 1019 * 1030
    assert whole == []


def test_linear_taller_than_two_blocks(rule):
    torch.manual_seed(0)
    check_against_oracle(nn.Linear(TALL[1], TALL[0], dtype=torch.float64), rule, torch.randn(3, TALL[1], dtype=torch.float64))


@pytest.mark.parametrize(
    ("outputs", "inputs"),
    [(1500, 1030), (2, MILLION + 5), (1, 2 * MILLION + 7)],
    ids=["two blocks", "a row longer than a block", "one row longer than two blocks"],
)
def test_magnitudes_of_a_step_for_every_length_of_table(outputs, inputs):
    layer, x = nn.Linear(inputs, outputs, bias=False), torch.randn(1, inputs, requires_grad=True)
    ready(apply_rule(layer, "brsf", seed=1))
    layer.weight_feedback_starts.copy_(torch.arange(len(layer.weight_feedback_starts)) * 9 + 16_000)
    upper = random(1, outputs, dtype=torch.float32)
    found = torch.autograd.grad(layer(x), x, upper)[0]
    definition = from_buffers("brsf", layer, None)
    torch.testing.assert_close(found, upper @ definition, rtol=1e-4, atol=1e-4)
    assert torch.equal(feedback_matrix(layer, ""), definition)


def test_a_large_convolution_takes_its_magnitudes_block_by_block():
    torch.manual_seed(0)
    layer = nn.Conv1d(520, 1030, 3, dtype=torch.float64)  # 672 + 358 rows
    check_against_oracle(layer, "brsf", torch.randn(1, 520, 4, dtype=torch.float64))
    assert len(layer.weight_feedback_starts) == 2


@pytest.mark.parametrize("size", [(1500, 1030), (5, 7)])
def test_function_transforms_take_the_same_magnitudes(size):
    torch.manual_seed(0)
    layer, x = ready(apply_rule(nn.Linear(*size[::-1]).double(), "brsf")), torch.randn(2, size[1], dtype=torch.float64)
    found = torch.func.grad(lambda one: layer(one).square().sum())(x)
    matrix = magnitudes_of_a_step(layer.weight_feedback, layer.weight_feedback_starts, size) * layer.weight.sign()
    torch.testing.assert_close(found, 2 * layer(x) @ matrix)


class Tripled(Rule):
    name = "tripled"
    draws_matrix = True

    def feedback(self, weight, matrix, scale):
        return 3 * matrix * weight


def test_a_rule_of_ones_own_works_over_blocks():
    torch.manual_seed(0)
    layer, x = apply_rule(nn.Linear(*TALL[::-1]).double(), Tripled()), torch.randn(2, TALL[1], dtype=torch.float64, requires_grad=True)
    found = torch.autograd.grad(layer(x).sum(), x)[0]
    torch.testing.assert_close(found, (3 * layer.weight_feedback * layer.weight).sum(0).expand(2, -1))


def test_blocks_and_the_whole_agree_when_the_backward_pass_is_itself_recorded(rule):
    torch.manual_seed(0)
    layer, x = nn.Linear(TALL[1], TALL[0]).double(), torch.randn(2, TALL[1], dtype=torch.float64, requires_grad=True)
    ready(apply_rule(layer, rule))
    label(layer, 2)
    output = layer(x)
    by_blocks = torch.autograd.grad(output, x, output.detach(), retain_graph=True)[0]
    whole = torch.autograd.grad(output, x, output.detach(), create_graph=True)[0]
    torch.testing.assert_close(by_blocks, whole.detach())


def test_half_precision_agrees_with_single(rule):
    torch.manual_seed(0)
    x, layer = torch.randn(2, 600), nn.Linear(600, 700)
    half = apply_rule(nn.Linear(600, 700, dtype=torch.bfloat16), rule, seed=1)
    half.load_state_dict(layer.state_dict())
    layer.load_state_dict(plain_state_dict(half))
    apply_rule(layer, rule, seed=1)
    gradients = []
    for converted, kind in ((half, torch.bfloat16), (layer, torch.float32)):
        assert all(matrix.dtype == kind for matrix in matrices(converted).values())
        ready(converted)
        label(converted, 2)
        one = x.to(kind).requires_grad_()
        gradients.append(torch.autograd.grad(converted(one).sum(), one)[0].float())
    found, wanted = gradients
    torch.testing.assert_close(found, wanted, rtol=0.02, atol=0.02 * wanted.abs().max().item())
