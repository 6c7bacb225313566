"""Gradients of every rule against an independent oracle, in float64."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from biodeephashing.bio import RULES, apply_rule

CONVOLUTIONS = [nn.Conv1d, nn.Conv2d, nn.Conv3d]
TRANSPOSED = [nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d]
FUNCTIONS = {
    nn.Conv1d: F.conv1d,
    nn.Conv2d: F.conv2d,
    nn.Conv3d: F.conv3d,
    nn.ConvTranspose1d: F.conv_transpose1d,
    nn.ConvTranspose2d: F.conv_transpose2d,
    nn.ConvTranspose3d: F.conv_transpose3d,
}
small = settings(max_examples=25, deadline=None)


def expected_feedback(rule, weight, matrix, scale):
    """B by the definition of each rule; written anew here, so that the library is not its own judge."""
    return {
        "bp": lambda: weight,
        "fa": lambda: matrix,
        "usf": lambda: scale * torch.sign(weight),
        "frsf": lambda: matrix.abs() * torch.sign(weight),
    }[rule]().detach()


def plain_map(layer):
    """A plain layer as a function of input and weight, without its bias."""
    if isinstance(layer, nn.Linear):
        return F.linear
    if isinstance(layer, tuple(TRANSPOSED)):
        function = FUNCTIONS[type(layer)]
        return lambda x, w: function(x, w, None, layer.stride, layer.padding, layer.output_padding, layer.groups, layer.dilation)
    function = FUNCTIONS[type(layer)]
    if layer.padding_mode == "zeros":
        return lambda x, w: function(x, w, None, layer.stride, layer.padding, layer.dilation, layer.groups)
    pad = layer._reversed_padding_repeated_twice
    return lambda x, w: function(F.pad(x, pad, mode=layer.padding_mode), w, None, layer.stride, 0, layer.dilation, layer.groups)


def check_against_oracle(layer, rule, x, *, scale=0.3):
    plain_output, function = layer(x), plain_map(layer)
    apply_rule(layer, rule, seed=3, scale=scale)
    x = x.clone().requires_grad_()
    output = layer(x)
    assert torch.equal(output, plain_output), "the forward pass must not change by a bit"
    with torch.no_grad():
        assert torch.equal(layer(x), plain_output)
    upper = torch.randn(output.shape, dtype=output.dtype, generator=torch.Generator().manual_seed(7))
    parameters = [x, layer.weight] + ([] if layer.bias is None else [layer.bias])
    measured = torch.autograd.grad(output, parameters, upper)

    # y = F(x.detach(), W) + (F(x, B) - F(x, B).detach()): forwards W, downwards B, and W's gradient is exact
    feedback = expected_feedback(rule, layer.weight, layer._feedback_matrix, scale)
    weight, other = layer.weight.detach().requires_grad_(), x.detach().requires_grad_()
    through = function(other, feedback)
    oracle = torch.autograd.grad(function(other.detach(), weight) + (through - through.detach()), [other, weight], upper)
    for found, wanted in zip(measured, oracle, strict=False):
        assert found.shape == wanted.shape
        torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-10)
    if layer.bias is not None:
        channel = upper.dim() - 1 if isinstance(layer, nn.Linear) else upper.dim() - 1 - len(layer.kernel_size)
        torch.testing.assert_close(measured[2], upper.transpose(channel, -1).reshape(-1, upper.shape[channel]).sum(0))


@small
@given(
    lead=st.sampled_from([(), (1,), (0,), (5,), (2, 3), (2, 0), (2, 1, 3), (2, 1, 1, 2)]),
    inputs=st.integers(1, 7),
    outputs=st.integers(1, 7),
    bias=st.booleans(),
    data=st.data(),
)
def test_linear(lead, inputs, outputs, bias, data):
    torch.manual_seed(0)
    rule = data.draw(st.sampled_from(sorted(RULES)))
    check_against_oracle(nn.Linear(inputs, outputs, bias, dtype=torch.float64), rule, torch.randn(*lead, inputs, dtype=torch.float64))


def test_linear_wider_and_taller_than_a_block(rule):
    torch.manual_seed(0)
    check_against_oracle(nn.Linear(2100, 530, dtype=torch.float64), rule, torch.randn(3, 2100, dtype=torch.float64))


def test_b_of_a_large_linear_layer_is_never_whole(monkeypatch):
    kind, sizes = RULES["usf"], []
    original = kind.feedback
    layer = apply_rule(nn.Linear(2100, 530), "usf")
    monkeypatch.setattr(kind, "feedback", lambda self, weight, *rest: sizes.append(weight.numel()) or original(self, weight, *rest))
    layer(torch.randn(3, 2100, requires_grad=True)).sum().backward()
    assert sum(sizes) == layer.weight.numel()
    assert max(sizes) <= 256 * 1024


def test_low_precision_agrees_over_blocks(rule):
    torch.manual_seed(0)
    x, layer = torch.randn(2, 600), nn.Linear(600, 700)
    half = apply_rule(nn.Linear(600, 700, dtype=torch.bfloat16), rule, seed=1)
    half.load_state_dict(layer.state_dict())
    layer.load_state_dict(half.state_dict())
    apply_rule(layer, rule, seed=1)
    low, high = x.bfloat16().requires_grad_(), x.clone().requires_grad_()
    found = torch.autograd.grad(half(low).sum(), low)[0].float()
    wanted = torch.autograd.grad(layer(high).sum(), high)[0]
    torch.testing.assert_close(found, wanted, rtol=0.02, atol=0.02 * wanted.abs().max().item())


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


@settings(max_examples=80, deadline=None)
@given(drawn=convolutions(), data=st.data())
def test_convolution(drawn, data):
    layer, x = drawn
    check_against_oracle(layer, data.draw(st.sampled_from(sorted(RULES))), x)


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


@settings(max_examples=50, deadline=None)
@given(drawn=transposed_convolutions(), data=st.data())
def test_transposed_convolution(drawn, data):
    layer, x = drawn
    check_against_oracle(layer, data.draw(st.sampled_from(sorted(RULES))), x)


@settings(max_examples=60, deadline=None)
@given(drawn=st.one_of(convolutions(), transposed_convolutions()), wide=st.booleans())
def test_forward_in_single_precision_is_the_same_to_the_last_bit(drawn, wide):
    layer, x = drawn[0].float(), drawn[1].float()
    if wide and x.dim() == len(layer.kernel_size) + 2 and len(x):
        x = x.repeat_interleave(17, dim=0)  # other kernels are chosen for larger batches
    wanted = layer(x)
    assert torch.equal(apply_rule(layer, "fa")(x.requires_grad_()), wanted)


def test_transposed_convolution_takes_an_output_size(rule):
    torch.manual_seed(0)
    layer, x = nn.ConvTranspose2d(2, 3, 3, stride=2), torch.randn(2, 2, 4, 4)
    wanted = layer(x, output_size=[10, 9])
    assert torch.equal(apply_rule(layer, rule)(x, output_size=[10, 9]), wanted)


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


def test_hand_computed_two_by_two():
    # W = [[2, -1], [0, 3]], x = (1, 4), b = (0, 1):   y = (2·1 - 1·4, 3·4 + 1) = (-2, 13)
    # L = y1 + 10·y2, so g = (1, 10);   dL/dW = gᵀx = [[1, 4], [10, 40]];   dL/db = (1, 10)
    # bp:  g W       = (2·1 + 0·10, -1·1 + 3·10)               = (2, 29)
    # usf: g ½ σ(W)  = ½ (1·1 + 0·10, -1·1 + 1·10)             = (0.5, 4.5)      σ(0) = 0
    # fa, M = [[.1, .2], [.3, -.4]]:   (.1 + 3, .2 - 4)          = (3.1, -3.8)
    # frsf, |M|∘σ(W) = [[.1, -.2], [0, .4]]:   (.1, -.2 + 4)     = (0.1, 3.8)
    wanted = {"bp": (2.0, 29.0), "usf": (0.5, 4.5), "fa": (3.1, -3.8), "frsf": (0.1, 3.8)}
    matrix = torch.tensor([[0.1, 0.2], [0.3, -0.4]])
    for rule, down in wanted.items():
        layer = nn.Linear(2, 2)
        with torch.no_grad():
            layer.weight.copy_(torch.tensor([[2.0, -1.0], [0.0, 3.0]]))
            layer.bias.copy_(torch.tensor([0.0, 1.0]))
        apply_rule(layer, rule, scale=0.5)
        if layer._feedback_matrix is not None:
            layer._feedback_matrix.copy_(matrix.abs() if rule == "frsf" else matrix)
        x = torch.tensor([1.0, 4.0], requires_grad=True)
        y = layer(x)
        (y * torch.tensor([1.0, 10.0])).sum().backward()
        assert y.tolist() == [-2.0, 13.0]
        assert x.grad.tolist() == pytest.approx(down)
        assert layer.weight.grad.tolist() == [[1.0, 4.0], [10.0, 40.0]]
        assert layer.bias.grad.tolist() == [1.0, 10.0]


@pytest.mark.parametrize("kind", ["linear", "convolution"])
def test_no_rule_trains_like_bp_by_accident(rule, kind):
    torch.manual_seed(0)
    layer = nn.Linear(6, 5) if kind == "linear" else nn.Conv2d(6, 5, 1)
    apply_rule(layer, rule, seed=2)
    x = torch.zeros(5, 6, requires_grad=True)
    output = layer(x) if kind == "linear" else layer(x[:, :, None, None])[:, :, 0, 0]
    # an error of one unit at one output at a time: what arrives below is B, row by row
    measured = torch.autograd.grad(output, x, torch.eye(5))[0]
    weight = layer.weight.detach().reshape(5, 6)
    matrix = None if layer._feedback_matrix is None else layer._feedback_matrix.reshape(5, 6)
    torch.testing.assert_close(measured, expected_feedback(rule, weight, matrix, math.sqrt(2 / 11)), rtol=1e-6, atol=0)
    assert torch.equal(measured, weight) == (rule == "bp")
    if rule != "bp":
        assert (measured - weight).norm() > 0.1 * weight.norm()


def test_b_is_built_in_backward_only_and_only_where_an_input_gradient_is_needed(monkeypatch):
    kind, calls = RULES["usf"], []
    original = kind.feedback
    layers = apply_rule(nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.Conv1d(4, 2, 1)), "usf")
    monkeypatch.setattr(kind, "feedback", lambda self, weight, *rest: calls.append(weight.shape) or original(self, weight, *rest))
    output = layers(torch.randn(4, 4))
    assert calls == []
    output.sum().backward()
    assert sorted(calls) == [(2, 4, 1), (4, 4)], "not for the first layer"


def test_a_pruned_weight_sends_nothing_down_by_a_sign_rule():
    for rule in ("bp", "usf", "frsf"):
        layer = nn.Linear(3, 1)
        with torch.no_grad():
            layer.weight.copy_(torch.tensor([[1.0, 0.0, -1.0]]))
        x = torch.ones(3, requires_grad=True)
        apply_rule(layer, rule)(x).sum().backward()
        assert x.grad[1] == 0
        assert x.grad[0] != 0
