"""Every rule's B and gradients, written a second time from their definitions: the library is not its own judge."""

from __future__ import annotations

import hashlib
import math

import torch
import torch.nn.functional as F  # noqa: N812
from rule_helpers import label, one_hot, ready
from torch import nn

from biodeephashing.bio import RULES, BroadcastRule, apply_rule

CONVOLUTIONS = [nn.Conv1d, nn.Conv2d, nn.Conv3d]
TRANSPOSED = [nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d]
FUNCTIONS = dict(
    zip(CONVOLUTIONS + TRANSPOSED, [F.conv1d, F.conv2d, F.conv3d, F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d], strict=True)
)
BROADCAST = sorted(name for name, kind in RULES.items() if issubclass(kind, BroadcastRule))
THROUGH_B = sorted(set(RULES) - set(BROADCAST))


def number(text):
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def uniform(shape, scale, seed, rule, key):
    """M: uniform, mean 0, standard deviation ``scale``; from the seed, the rule and the layer's name alone."""
    generator = torch.Generator().manual_seed(number(f"{seed}/{rule}/{key}"))
    return torch.empty(shape).uniform_(-math.sqrt(3) * scale, math.sqrt(3) * scale, generator=generator)


def magnitudes_of_a_step(table, starts, shape):
    """The magnitudes of ``brsf``, entry by entry: blocks of rows, each read from the table from a place of its own."""
    row = math.prod(shape[1:])
    block = row * max(2**20 // row, 1)
    numbers, places = table.tolist(), starts.tolist()
    flat = [numbers[places[entry // block] + entry % block] for entry in range(math.prod(shape))]
    return torch.tensor(flat, dtype=table.dtype).reshape(shape[0], *shape[2:], shape[1]).movedim(-1, 1)  # channels last


def from_buffers(rule, layer, scale):
    """B by the definition of each rule of what the layer keeps."""
    weight = layer.weight.detach()
    matrix, sign = getattr(layer, "weight_feedback", None), torch.sign(weight)
    return {
        "bp": lambda: weight,
        "fa": lambda: matrix,
        "usf": lambda: scale * sign,
        "frsf": lambda: matrix.abs() * sign,
        "brsf": lambda: magnitudes_of_a_step(matrix, layer.weight_feedback_starts, weight.shape).abs() * sign,
        "kp": lambda: matrix,
        "wm": lambda: matrix,
        "dfa": lambda: matrix,
        "drtp": lambda: matrix,
    }[rule]().clone()


def from_seed(rule, weight, scale, seed, key, step=0):
    """B as it is drawn, without the library. Broadcasting rules: a signal as wide as the weight's rows."""
    weight = weight.detach()
    if rule == "brsf":
        table = uniform((weight.numel() + 2**14,), scale, seed, rule, key)
        start = torch.tensor([number(f"{seed}/{rule}/{key}/{step}/0") % 2**14])  # one block: for weights of less than a million
        return magnitudes_of_a_step(table, start, weight.shape).abs() * weight.sign()
    matrix = uniform(weight.shape, scale, seed, rule, key)
    return {"bp": weight, "usf": scale * weight.sign(), "frsf": matrix.abs() * weight.sign()}.get(rule, matrix)


def plain_map(layer):
    """A plain layer as a function of input and weight, without its bias."""
    if isinstance(layer, nn.Linear):
        return F.linear
    function = next(function for kind, function in FUNCTIONS.items() if isinstance(layer, kind))
    if isinstance(layer, tuple(TRANSPOSED)):
        return lambda x, w: function(x, w, None, layer.stride, layer.padding, layer.output_padding, layer.groups, layer.dilation)
    if layer.padding_mode == "zeros":
        return lambda x, w: function(x, w, None, layer.stride, layer.padding, layer.dilation, layer.groups)
    pad = layer._reversed_padding_repeated_twice
    return lambda x, w: function(F.pad(x, pad, mode=layer.padding_mode), w, None, layer.stride, 0, layer.dilation, layer.groups)


def channel_axis(layer, tensor):
    return tensor.dim() - 1 if isinstance(layer, nn.Linear) else tensor.dim() - 1 - len(layer.kernel_size)


def random(*shape, dtype=torch.float64, seed=7):
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def agree(found, wanted):
    assert found.shape == wanted.shape
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-10)


def check_bias(layer, found, upper):
    channel = channel_axis(layer, upper)
    agree(found, upper.transpose(channel, -1).reshape(-1, upper.shape[channel]).sum(0))


def check_against_oracle(layer, rule, x, *, scale=0.3):
    """Compare one layer's outputs and gradients with the definition's; the layer is converted."""
    if rule in BROADCAST:
        return check_broadcast(layer, rule, x, scale)
    plain_output, function = layer(x), plain_map(layer)
    ready(apply_rule(layer, rule, seed=3, scale=scale))
    x = x.clone().requires_grad_()
    output = layer(x)
    assert torch.equal(output, plain_output), "the forward pass must not change by a bit"
    with torch.no_grad():
        assert torch.equal(layer(x), plain_output)
    upper = random(*output.shape)
    down, *gradients = torch.autograd.grad(output, [x, *layer.parameters()], upper)

    # y = F(x.detach(), W) + (F(x, B) - F(x, B).detach()): forwards W, downwards B, and W's gradient is exact
    weight, other = layer.weight.detach().requires_grad_(), x.detach().requires_grad_()
    through = function(other, from_buffers(rule, layer, scale))
    wanted = torch.autograd.grad(function(other.detach(), weight) + (through - through.detach()), [other, weight], upper)
    agree(down, wanted[0])
    agree(gradients[0], wanted[1])
    for bias in gradients[1:]:
        check_bias(layer, bias, upper)
    return None


def summed(layer, output):
    """The positions of a layer's output, each counted differently, in one: (batch, outputs), or (outputs,) of a single example."""
    channel = channel_axis(layer, output)
    single = output.dim() == 1 if isinstance(layer, nn.Linear) else channel == 0
    positions = [axis for axis in range(output.dim()) if axis != channel and (single or axis != 0)]
    output = output * random(*output.shape, seed=8)
    return output.sum(positions) if positions else output


class Summed(nn.Module):
    """A network of one layer."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return summed(self.layer, self.layer(x))


def check_broadcast(layer, rule, x, scale):
    module = Summed(layer)
    plain_output, function = module(x), plain_map(layer)
    apply_rule(module, rule, seed=3, scale=scale)
    x = x.clone().requires_grad_()
    reached = []
    layer.register_forward_hook(lambda *arguments: reached.append(arguments[-1]))
    batch = 1 if plain_output.dim() == 1 else len(plain_output)
    label(module, batch)
    output = module(x)
    assert torch.equal(output, plain_output), "the forward pass must not change by a bit"
    error = random(*output.shape)
    down, upper, *gradients = torch.autograd.grad(output, [x, reached[0], *layer.parameters()], error)

    matrix = from_buffers(rule, layer, scale)
    signal = error.reshape(batch, matrix.shape[0]) if rule == "dfa" else one_hot(batch, len(matrix)).double() / max(batch, 1)
    channel = channel_axis(layer, x)
    shape = [1] * x.dim()
    shape[channel] = x.shape[channel]
    if plain_output.dim() == 2:
        shape[0] = batch
    agree(down, (signal @ matrix).reshape(shape).expand(x.shape))
    weight = layer.weight.detach().requires_grad_()
    agree(gradients[0], torch.autograd.grad(function(x.detach(), weight), weight, upper)[0])
    above = reached[0].detach().requires_grad_()
    agree(upper, torch.autograd.grad(summed(layer, above), above, error)[0])
    for bias in gradients[1:]:
        check_bias(layer, bias, upper)


def mlp():
    """Three layers; always the same weights."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3)).double()


def inputs(*shape):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def signal_of(rule, output):
    """r for L = Σ output², by the definition."""
    return 2 * output.detach() if rule == "dfa" else one_hot(len(output), output.shape[1]).double() / len(output)


def gradients(module, x):
    """Gradients of x, then of every parameter."""
    label(module, len(x))
    x = x.clone().requires_grad_()
    return torch.autograd.grad(module(x).square().sum(), [x, *module.parameters()])
