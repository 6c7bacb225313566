"""The rules with the rest of PyTorch: autocast, checkpointing, higher derivatives, function transforms, compilation."""

from __future__ import annotations

import pytest
import torch
from rule_helpers import X, input_gradient, network
from torch import nn
from torch.utils.checkpoint import checkpoint

from biodeephashing.bio import apply_rule


def test_autocast_gives_float32_gradients(rule):
    module, plain = apply_rule(network(), rule), network()
    x = X.clone().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output, wanted = module(x), plain(X)
    assert output.dtype == wanted.dtype == torch.bfloat16
    assert torch.equal(output, wanted)
    output.float().square().sum().backward()
    assert all(p.grad.dtype == torch.float32 for p in [x, *module.parameters()])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert nn.Linear(2, 2).double()(torch.ones(1, 2).double()).dtype == torch.float64
        assert apply_rule(nn.Linear(2, 2).double(), rule)(torch.ones(1, 2).double()).dtype == torch.float64
        module(X).float().square().sum().backward()  # a backward pass within autocast


def test_evaluation_takes_the_way_of_the_plain_network(rule, monkeypatch):
    from biodeephashing.bio import _layers

    module, wanted = apply_rule(network(), rule), network()(X)
    for name in ("linear", "convolution"):
        monkeypatch.setattr(_layers, name, None)
    with torch.no_grad():
        assert torch.equal(module(X), wanted)
    with torch.inference_mode():
        assert torch.equal(module(X), wanted)


def test_gradient_checkpointing(rule):
    module, x = apply_rule(network()[3:], rule), torch.randn(2, 4, 6, 6, requires_grad=True)
    wanted = torch.autograd.grad(module(x).square().sum(), [x, *module.parameters()])
    found = torch.autograd.grad(checkpoint(module, x, use_reentrant=False).square().sum(), [x, *module.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))


@pytest.mark.parametrize("kind", ["linear", "convolution", "transposed"])
def test_double_backward(rule, kind):
    torch.manual_seed(0)
    layer, shape = {
        "linear": (nn.Linear(3, 4), (2, 3)),
        "convolution": (nn.Conv2d(2, 4, 2, groups=2), (2, 2, 3, 3)),
        "transposed": (nn.ConvTranspose1d(2, 3, 2, stride=2), (2, 2, 3)),
    }[kind]
    apply_rule(layer.double(), rule)
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    upper = torch.randn(layer(x).shape, dtype=torch.float64, requires_grad=True)

    def downward(x, upper):
        return torch.autograd.grad(layer(x), [x, layer.weight, layer.bias], upper, create_graph=True)

    # what a rule sends down is linear in the error, and its own derivatives are those of its own formula
    assert torch.autograd.gradcheck(downward, (x, upper))
    if rule == "bp":
        assert torch.autograd.gradgradcheck(layer, (x,))


def test_torch_func(rule):
    torch.manual_seed(0)
    module = apply_rule(nn.Sequential(nn.Conv1d(2, 3, 2), nn.Tanh(), nn.Flatten(), nn.Linear(6, 2)), rule).double()
    x = torch.randn(4, 2, 3, dtype=torch.float64)
    parameters = dict(module.named_parameters())

    def loss(parameters, x):
        return torch.func.functional_call(module, parameters, (x,)).square().sum()

    module.zero_grad()
    module(x).square().sum().backward()
    found = torch.func.grad(loss)(parameters, x)
    per_sample = torch.func.vmap(torch.func.grad(lambda p, one: loss(p, one[None])), in_dims=(None, 0))(parameters, x)
    for name, parameter in parameters.items():
        torch.testing.assert_close(found[name], parameter.grad)
        torch.testing.assert_close(per_sample[name].sum(0), parameter.grad)
    down = torch.func.vmap(torch.func.grad(lambda one: module(one[None]).square().sum()))(x)
    torch.testing.assert_close(down, input_gradient(module, x))


def test_batched_backward(rule):
    torch.manual_seed(0)
    module, x = apply_rule(nn.Sequential(nn.Conv1d(2, 3, 2), nn.Flatten(), nn.Linear(6, 5)), rule), torch.randn(1, 2, 3, requires_grad=True)
    output = module(x)[0]
    rows = torch.eye(5)
    found = torch.autograd.grad(output, x, rows, retain_graph=True, is_grads_batched=True)[0]
    wanted = torch.stack([torch.autograd.grad(output, x, row, retain_graph=True)[0] for row in rows])
    torch.testing.assert_close(found, wanted)


def test_compiles_into_one_graph(rule):
    torch._dynamo.reset()
    torch.manual_seed(0)
    module = apply_rule(nn.Sequential(nn.Conv1d(2, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(6, 5)), rule)
    x = torch.randn(4, 2, 3)
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(input_gradient(compiled, x), input_gradient(module, x))
