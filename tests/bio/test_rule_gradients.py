"""Gradients of every rule against an independent oracle, in float64."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rule_helpers import label, ready
from rule_oracle import BROADCAST, CONVOLUTIONS, THROUGH_B, TRANSPOSED, check_against_oracle, from_buffers, from_seed
from torch import nn

from biodeephashing.bio import RULES, apply_rule, feedback_matrix

every_rule = pytest.mark.parametrize("rule", sorted(RULES))


@every_rule
@settings(max_examples=15, deadline=None)
@given(
    lead=st.sampled_from([(), (1,), (0,), (5,), (2, 3), (2, 0), (2, 1, 3), (2, 1, 1, 2)]),
    inputs=st.integers(1, 7),
    outputs=st.integers(1, 7),
    bias=st.booleans(),
)
def test_linear(rule, lead, inputs, outputs, bias):
    torch.manual_seed(0)
    check_against_oracle(nn.Linear(inputs, outputs, bias, dtype=torch.float64), rule, torch.randn(*lead, inputs, dtype=torch.float64))


@st.composite
def convolutions(draw):
    """A convolution and a batch that fits it."""
    torch.manual_seed(0)
    kind = draw(st.sampled_from(CONVOLUTIONS))
    axes = CONVOLUTIONS.index(kind) + 1
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    channels, outputs = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    kernel = tuple(draw(st.integers(1, 4 if axes < 3 else 2)) for _ in range(axes))
    padding = draw(st.one_of(st.sampled_from(["same", "valid"]), st.integers(0, 2)))
    stride = 1 if padding == "same" else draw(st.integers(1, 3))
    dilation = draw(st.integers(1, 2))
    mode = draw(st.sampled_from(["zeros", "zeros", "circular", "reflect", "replicate"]))
    layer = kind(channels, outputs, kernel, stride, padding, dilation, groups, draw(st.booleans()), padding_mode=mode, dtype=torch.float64)
    size = [draw(st.integers(dilation * (k - 1) + 3, dilation * (k - 1) + 5)) for k in kernel]
    batch = draw(st.sampled_from([(), (1,), (3,)] + ([(0,)] if mode == "zeros" else [])))
    return layer, torch.randn(*batch, channels, *size, dtype=torch.float64)


@every_rule
@settings(max_examples=30, deadline=None)
@given(drawn=convolutions())
def test_convolution(rule, drawn):
    layer, x = drawn
    check_against_oracle(layer, rule, x)


@st.composite
def transposed_convolutions(draw):
    """A transposed convolution and a batch that fits it."""
    torch.manual_seed(0)
    kind = draw(st.sampled_from(TRANSPOSED))
    axes = TRANSPOSED.index(kind) + 1
    groups = draw(st.sampled_from([1, 1, 2]))
    channels, outputs = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    kernel = tuple(draw(st.integers(2, 3)) for _ in range(axes))
    stride, dilation = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    extra = draw(st.integers(0, max(stride, dilation) - 1))
    layer = kind(
        channels, outputs, kernel, stride, draw(st.integers(0, 1)), extra, groups, draw(st.booleans()), dilation, dtype=torch.float64
    )
    batch = draw(st.sampled_from([(), (0,), (1,), (3,)]))
    return layer, torch.randn(*batch, channels, *(3,) * axes, dtype=torch.float64)


@every_rule
@settings(max_examples=20, deadline=None)
@given(drawn=transposed_convolutions())
def test_transposed_convolution(rule, drawn):
    layer, x = drawn
    check_against_oracle(layer, rule, x)


@settings(max_examples=60, deadline=None)
@given(drawn=st.one_of(convolutions(), transposed_convolutions()), wide=st.booleans(), rule=st.sampled_from(["fa", "dfa"]))
def test_forward_in_single_precision_is_the_same_to_the_last_bit(drawn, wide, rule):
    layer, x = drawn[0].float(), drawn[1].float()
    if wide and x.dim() == len(layer.kernel_size) + 2 and len(x):
        x = x.repeat_interleave(17, dim=0)  # other kernels are chosen for larger batches
    network = nn.Sequential(layer, nn.Flatten(1 if x.dim() == len(layer.kernel_size) + 2 else 0))
    if x.numel() == 0:
        return
    wanted = network(x)
    assert torch.equal(apply_rule(network, rule)(x.requires_grad_()), wanted)


def test_transposed_convolution_takes_an_output_size(rule):
    class Upwards(nn.Module):
        def __init__(self):
            super().__init__()
            self.up = nn.ConvTranspose2d(2, 3, 3, stride=2)

        def forward(self, x):
            return self.up(x, output_size=[10, 9]).flatten(1)

    torch.manual_seed(0)
    network, x = Upwards(), torch.randn(2, 2, 4, 4)
    wanted = network(x)
    ready(apply_rule(network, rule), classes=5)
    assert torch.equal(network(x.requires_grad_()), wanted)
    assert wanted.shape == (2, 3 * 10 * 9)


def test_depthwise_and_channels_last(rule):
    torch.manual_seed(0)
    layer = nn.Conv2d(6, 6, 3, padding=1, groups=6, dtype=torch.float64).to(memory_format=torch.channels_last)
    x = torch.randn(2, 6, 5, 5, dtype=torch.float64).to(memory_format=torch.channels_last)
    check_against_oracle(layer, rule, x)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Linear(19, 11), (8, 19)),
        (nn.Linear(19, 11, bias=False), (2, 3, 19)),
        (nn.Conv2d(4, 6, 3, stride=2, padding=1), (3, 4, 9, 9)),
        (nn.Conv2d(4, 8, 2, padding="same", groups=2), (3, 4, 6, 6)),
        (nn.ConvTranspose1d(4, 6, 3, stride=2, output_padding=1), (3, 4, 9)),
    ],
)
def test_bp_is_plain_autograd_to_the_last_bit(layer, shape):
    torch.manual_seed(0)
    x = torch.randn(shape, requires_grad=True)
    wanted = torch.autograd.grad(layer(x).square().sum(), [x, *layer.parameters()])
    apply_rule(layer, "bp")
    found = torch.autograd.grad(layer(x).square().sum(), [x, *layer.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))


@pytest.mark.parametrize("kind", ["linear", "convolution"])
def test_no_rule_trains_like_bp_by_accident(rule, kind):
    torch.manual_seed(0)
    layer = nn.Linear(6, 5) if kind == "linear" else nn.Conv2d(6, 5, 1)
    network = ready(apply_rule(nn.Sequential(layer, nn.Flatten()), rule, seed=2, scale=0.4), classes=5)
    weight = layer.weight.detach().reshape(5, 6)
    x = torch.zeros(5, 6, requires_grad=True)
    output = network(x if kind == "linear" else x[:, :, None, None])
    # an error of one unit at one output at a time: what arrives below is B, row by row; of five targets each counts a fifth
    measured = torch.autograd.grad(output, x, torch.eye(5))[0] * (5 if rule == "drtp" else 1)
    shape = (5, 6) if rule in BROADCAST else layer.weight.shape
    for definition in (
        from_seed(rule, weight, 0.4, 2, "0").reshape(shape),
        from_buffers(rule, layer, 0.4),
        feedback_matrix(network, "0"),
    ):
        assert definition.shape == shape
        torch.testing.assert_close(measured, definition.reshape(5, 6), rtol=1e-6, atol=1e-7)
    assert torch.equal(measured, weight) == (rule == "bp")
    if rule != "bp":
        assert (measured - weight).norm() > 0.1 * weight.norm()


@pytest.mark.parametrize("rule", THROUGH_B)
def test_b_is_built_in_backward_only_and_only_where_an_input_gradient_is_needed(rule, monkeypatch):
    kind, calls = RULES[rule], []
    original = kind.feedback
    layers = ready(apply_rule(nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.Conv1d(4, 2, 1)), rule))
    monkeypatch.setattr(kind, "feedback", lambda self, weight, *rest: calls.append(weight.shape) or original(self, weight, *rest))
    output = layers(torch.randn(4, 4))
    assert calls == []
    output.sum().backward()
    assert sorted(calls) == ([] if rule == "bp" else [(2, 4, 1), (4, 4)]), "not for the first layer, and never where W is at hand"


@pytest.mark.parametrize("rule", BROADCAST)
def test_a_signal_is_made_in_backward_only_once_for_all_layers(rule, monkeypatch):
    kind, calls = RULES[rule], []
    original = kind.signal
    layers = apply_rule(nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.Linear(4, 2)), rule)
    monkeypatch.setattr(kind, "signal", lambda *arguments: calls.append(arguments[1].shape) or original(*arguments))
    label(layers, 3)
    output = layers(torch.randn(3, 4))
    assert calls == []
    output.sum().backward()
    assert calls == [(3, 2)]


def test_a_pruned_weight_sends_nothing_down_where_b_has_the_sign_of_w(rule):
    layer = nn.Linear(3, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 0.0, -1.0]]))
    x = torch.ones(1, 3, requires_grad=True)
    ready(apply_rule(layer, rule), classes=1)(x).sum().backward()
    assert (x.grad[0, 1] == 0) == (rule in ("bp", "usf", "frsf", "brsf"))
    assert (x.grad[0, [0, 2]] != 0).all()
