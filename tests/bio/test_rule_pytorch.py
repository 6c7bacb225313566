"""The rules with the rest of PyTorch: autocast, checkpointing, higher derivatives, function transforms, compilation, copies, export."""

from __future__ import annotations

import copy
import io
import pickle
import shutil
from functools import partial

import pytest
import torch
from many_cases import each_case
from rule_helpers import X, input_gradient, label, matrices, network, ready
from torch import nn
from torch.nn.parallel import replicate
from torch.utils.checkpoint import checkpoint
from torchvision.models.swin_transformer import ShiftedWindowAttention

from biodeephashing.bio import (
    RULES,
    BroadcastRule,
    apply_rule,
    feedback_matrix,
    plain_state_dict,
    remove_rule,
    rule_names,
    rule_state,
    track_optimizer,
)
from biodeephashing.bio._binding import WeightBinding
from biodeephashing.errors import RuleError

TOLERANCE = {"rtol": 1e-10, "atol": 1e-12}


def losses_gradients(module, call, x=X):
    """The gradients of input and parameters, through any way of calling the module."""
    x = x.clone().requires_grad_()
    label(module, len(x))
    output = call(x)
    return torch.autograd.grad(output.to(torch.promote_types(output.dtype, torch.float32)).square().sum(), [x, *module.parameters()])


def assert_equal(found, wanted):
    assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))


def test_autocast_gives_float32_gradients(rule):
    module, plain = ready(apply_rule(network(), rule), 5), network()
    x = X.clone().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output, wanted = module(x), plain(X)
    assert output.dtype == wanted.dtype == torch.bfloat16
    assert torch.equal(output, wanted)
    output.float().square().sum().backward()
    assert all(p.grad.dtype == torch.float32 for p in [x, *module.parameters()])
    exact = losses_gradients(module.eval(), module)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = losses_gradients(module, module)  # a backward pass within autocast
    for found, right in zip(rounded, exact, strict=True):
        assert (found - right).norm() < 0.05 * right.norm() + 1e-3
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert nn.Linear(2, 2).double()(torch.ones(1, 2).double()).dtype == torch.float64
        assert ready(apply_rule(nn.Linear(2, 2).double(), rule), 2)(torch.ones(1, 2).double()).dtype == torch.float64


def test_evaluation_takes_the_way_of_the_plain_network(rule, monkeypatch):
    def not_called(*_):
        raise AssertionError("a rule was asked in evaluation")

    module, wanted = apply_rule(network(), rule), network()(X)
    for name in ("linear", "convolution", "direct_convolution"):
        monkeypatch.setattr(WeightBinding, name, not_called)
    with torch.no_grad():
        assert torch.equal(module(X), wanted)
    with torch.inference_mode():
        assert torch.equal(module(X), wanted)
    with pytest.raises(AssertionError, match="in evaluation"):
        ready(module)(X)


def test_gradient_checkpointing(rule):
    module, x = ready(apply_rule(network()[3:], rule)), torch.randn(2, 4, 6, 6)
    wanted = losses_gradients(module, module, x)
    assert_equal(losses_gradients(module, lambda x: checkpoint(module, x, use_reentrant=False), x), wanted)


def test_gradient_checkpointing_inside_the_network(rule):
    class Checkpointed(nn.Module):
        def __init__(self, inside):
            super().__init__()
            self.first, self.last = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4), nn.Tanh()), nn.Linear(4, 3)
            self.inside = inside

        def forward(self, x):
            return self.last(checkpoint(self.first, x, use_reentrant=False) if self.inside else self.first(x))

    found = []
    for inside in (True, False):
        torch.manual_seed(0)
        module = ready(apply_rule(Checkpointed(inside), rule))
        found.append(losses_gradients(module, module, torch.randn(4, 6)))
    assert_equal(*found)


@each_case("kind", ["linear", "convolution", "transposed"])
def test_double_backward(rule, kind):
    torch.manual_seed(0)
    layer, shape = {
        "linear": (nn.Linear(3, 4), (2, 3)),
        "convolution": (nn.Conv2d(2, 4, 2, groups=2), (2, 2, 3, 3)),
        "transposed": (nn.ConvTranspose1d(2, 3, 2, stride=2), (2, 2, 3)),
    }[kind]
    module = ready(apply_rule(nn.Sequential(layer, nn.Flatten()), rule).double())
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    label(module, 2)
    upper = torch.randn(module(x).shape, dtype=torch.float64, requires_grad=True)

    def downward(x, upper):
        label(module, 2)
        return torch.autograd.grad(module(x), [x, layer.weight, layer.bias], upper, create_graph=True)

    if issubclass(RULES[rule], BroadcastRule):  # the input is cut off from what is below for derivatives of any order
        gradients = downward(x, upper)
        from_x = torch.autograd.grad(gradients[1].sum(), x, allow_unused=True, retain_graph=True)[0]
        assert from_x is None or not from_x.any()
        linear_in_the_error = [number for number in range(3) if number or rule == "dfa"]
        assert torch.autograd.gradcheck(lambda upper: [downward(x, upper)[number] for number in linear_in_the_error], upper)
        return
    # what a rule sends down is linear in the error, and its own derivatives are those of its own formula
    assert torch.autograd.gradcheck(downward, (x, upper))
    if rule == "bp":
        assert torch.autograd.gradgradcheck(module, (x,))
    down = downward(x, upper)[0]
    for_weight = torch.autograd.grad(down, layer.weight, torch.ones_like(down), allow_unused=True)[0]
    assert (for_weight is not None and bool(for_weight.any())) == (rule == "bp"), "no other rule's B changes smoothly with W"


def test_torch_func(rule):
    torch.manual_seed(0)
    module = apply_rule(nn.Sequential(nn.Conv1d(2, 3, 2), nn.Tanh(), nn.Flatten(), nn.Linear(6, 2)), rule).double()
    ready(module)
    x = torch.randn(4, 2, 3, dtype=torch.float64)
    parameters = dict(module.named_parameters())

    def loss(parameters, x):
        label(module, len(x))
        return torch.func.functional_call(module, parameters, (x,)).square().sum()

    wanted = dict(zip(parameters, losses_gradients(module, module, x)[1:], strict=True))
    found = torch.func.grad(loss)(parameters, x)
    for name in parameters:
        torch.testing.assert_close(found[name], wanted[name], **TOLERANCE)
    if rule == "drtp":  # its targets are handed over outside of what is transformed
        return
    per_sample = torch.func.vmap(torch.func.grad(lambda p, one: loss(p, one[None])), in_dims=(None, 0))(parameters, x)
    for name in parameters:
        torch.testing.assert_close(per_sample[name].sum(0), wanted[name], **TOLERANCE)
    down = torch.func.vmap(torch.func.grad(lambda one: module(one[None]).square().sum()))(x)
    torch.testing.assert_close(down, input_gradient(module, x), **TOLERANCE)


def test_batched_backward(rule):
    torch.manual_seed(0)
    module = ready(apply_rule(nn.Sequential(nn.Conv1d(2, 3, 2), nn.Flatten(), nn.Linear(6, 5)), rule))
    x = torch.randn(1, 2, 3, requires_grad=True)
    label(module, 1)
    output = module(x)[0]
    rows = torch.eye(5)
    found = torch.autograd.grad(output, x, rows, retain_graph=True, is_grads_batched=True)[0]
    wanted = torch.stack([torch.autograd.grad(output, x, row, retain_graph=True)[0] for row in rows])
    torch.testing.assert_close(found, wanted)
    assert wanted.any()


class Attention(nn.Module):
    """Attention of both kinds: PyTorch's own, and one that multiplies by the weights of its children itself."""

    def __init__(self):
        super().__init__()
        self.windows, self.attention, self.head = ShiftedWindowAttention(8, [2, 2], [1, 1], 2), nn.MultiheadAttention(8, 2), nn.Linear(8, 3)

    def forward(self, x):
        x = self.windows(x).flatten(1, 2).transpose(0, 1)
        return self.head(self.attention(x, x, x, need_weights=False)[0].mean(0))


COMPILED = {
    "convolution": (lambda: nn.Sequential(nn.Conv1d(2, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(6, 5)), (4, 2, 3)),
    "transposed": (lambda: nn.Sequential(nn.ConvTranspose2d(2, 2, 2, stride=2, groups=2), nn.Flatten(), nn.Linear(32, 3)), (2, 2, 2, 2)),
    "attention": (Attention, (2, 4, 4, 8)),
}


def train(module, call, x, steps):
    """A few steps of the optimizer, the feedback behind it; returns what a run leaves behind."""
    optimizer = torch.optim.SGD(module.parameters(), lr=0.05, momentum=0.9, weight_decay=0.1)
    track_optimizer(module, optimizer)
    losses = []
    for _ in range(steps):
        label(module, len(x))
        loss = call(x).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return torch.stack(losses), [p.detach().clone() for p in module.parameters()], [feedback_matrix(module, n) for n in rule_names(module)]


CASES = [("convolution", name) for name in sorted(RULES)] + [(kind, "frsf") for kind in ("transposed", "attention")]
MORE = [(kind, name) for kind in ("transposed", "attention") for name in ("fa", "brsf", "dfa")]  # with frsf one of a kind


@pytest.mark.parametrize(("kind", "name"), [*CASES, *(pytest.param(*case, marks=pytest.mark.slow) for case in MORE)])
def test_compiles_into_one_graph_that_several_steps_share(kind, name):
    build, shape = COMPILED[kind]
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    results = []
    for compiled in (True, False):
        torch.manual_seed(0)
        module = apply_rule(build(), name)
        x = torch.randn(shape)
        call = torch.compile(lambda x, module=module: module(x), fullgraph=True, backend="aot_eager") if compiled else module
        results.append(train(module, call, x, 4))
    torch.testing.assert_close(*results)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1


@pytest.mark.slow
@pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="needs a C++ compiler")
@pytest.mark.parametrize("one_of_a_kind", ["frsf", "brsf", "kp", "dfa"])
def test_compiles_into_machine_code(one_of_a_kind):
    torch._dynamo.reset()
    results = []
    for compiled in (True, False):
        torch.manual_seed(0)
        module = apply_rule(COMPILED["convolution"][0](), one_of_a_kind)
        x = torch.randn(4, 2, 3)
        results.append(train(module, torch.compile(module, fullgraph=True) if compiled else module, x, 3))
    torch.testing.assert_close(*results)


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["frsf", "dfa"])
def test_compiled_under_autocast(rule):
    torch._dynamo.reset()
    torch.manual_seed(0)
    build, shape = COMPILED["attention"]
    module, x = ready(apply_rule(build(), rule)), torch.randn(shape)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = losses_gradients(module, torch.compile(module, fullgraph=True, backend="aot_eager"), x)
        wanted = losses_gradients(module, module, x)
    torch.testing.assert_close(found, wanted, rtol=0.02, atol=1e-3)


def copies_of_data_parallel(module, monkeypatch):
    """Two copies as ``nn.DataParallel`` makes them, all on this device: what would be sent to a GPU is cloned."""
    patch = partial(monkeypatch.setitem, replicate.__globals__)
    patch("_broadcast_coalesced_reshape", lambda sent, to, detach=False: [[tensor.clone() for tensor in sent] for _ in to])
    patch("_get_device_index", lambda device, optional: device)
    return replicate(module, [0, 1])


def test_each_copy_of_data_parallel_learns_by_what_was_sent_to_it(rule, monkeypatch):
    for kind, (build, shape) in COMPILED.items():
        torch.manual_seed(0)
        module, x = ready(apply_rule(build(), rule, seed=4)), torch.randn(shape)
        first, second = copies_of_data_parallel(module, monkeypatch)
        with torch.no_grad():
            assert torch.equal(second(x), module(x)), kind
        if issubclass(RULES[rule], BroadcastRule):
            with pytest.raises(RuleError, match=rf"'{rule}' .* nn\.DataParallel .*\(-devices, or DistributedDataParallel"):
                second(x)
            continue
        for matrix in matrices(second).values():
            matrix.mul_(0.0)  # were it shared, all three would send nothing down
        wanted = losses_gradients(module, module, x)
        found = torch.autograd.grad(first(x).square().sum(), [*module.parameters()])
        assert_equal(found, wanted[1:])
        assert input_gradient(second, x).any() == (rule in ("bp", "usf")), kind


def test_a_deep_copy_goes_its_own_way(rule):
    module = apply_rule(network(), rule, seed=3)
    twin = copy.deepcopy(module)
    before = {name: matrix.clone() for name, matrix in matrices(module).items()}
    result = train(twin, twin, X, 2)
    assert_equal(matrices(module).values(), before.values())
    again = train(module, module, X, 2)
    torch.testing.assert_close(again, result)  # the copy had everything that the original has, down to the feedback
    assert {id(binding) for binding in _bindings(module)}.isdisjoint(id(binding) for binding in _bindings(twin))


def _bindings(module):
    return [binding for part in module.modules() for binding in getattr(part, "_bindings", {}).values()]


def test_an_average_of_a_network_that_is_followed(rule):
    module = apply_rule(network(), rule)
    ema = torch.optim.swa_utils.AveragedModel(module, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.5))
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    following = track_optimizer(module, optimizer)
    for _ in range(2):
        label(module, len(X))
        module(X).square().mean().backward()
        optimizer.step()
        ema.update_parameters(module)
    assert following.step == 2
    weights = [p.clone() for p in module.parameters()]
    with torch.no_grad():
        assert torch.isfinite(ema(X)).all()
        assert not torch.equal(ema(X), module(X))
    label(ema, len(X))
    assert torch.isfinite(input_gradient(ema.eval())).all()
    assert_equal(module.parameters(), weights)
    averaged = copy.deepcopy(ema.module).train(module.training)
    remove_rule(averaged)
    assert averaged.state_dict().keys() == network().state_dict().keys()


def test_export_of_the_plain_network(rule):
    module = apply_rule(network(), rule)
    train(module, module, X, 1)
    with torch.no_grad():
        wanted = module.eval()(X)
    plain = remove_rule(module)
    exported = torch.export.export(plain, (X,))
    torch.testing.assert_close(exported.module()(X), wanted)
    calls = [str(node.target) for node in exported.graph.nodes if node.op == "call_function"]
    bare = network().eval()
    assert calls == [str(node.target) for node in torch.export.export(bare, (X,)).graph.nodes if node.op == "call_function"]
    assert exported.state_dict.keys() == bare.state_dict().keys()


def test_a_pickled_network_learns_on_as_it_would_have(rule):
    module = apply_rule(network(), rule, seed=2)
    train(module, module, X, 2)  # what is learned and what changes with the steps travels too
    twin = pickle.loads(pickle.dumps(module))
    buffer = io.BytesIO()
    torch.save(module, buffer)
    buffer.seek(0)
    for loaded in (twin, torch.load(buffer, weights_only=False)):
        assert rule_state(loaded) == rule_state(module)
        assert_equal(matrices(loaded).values(), matrices(module).values())
        if RULES[rule].changes:  # a copy is told of no step until it is followed itself
            with pytest.raises(RuleError, match="call track_optimizer"):
                loaded(X)
        assert_equal(losses_gradients(ready(loaded), loaded), losses_gradients(module, module))
        assert isinstance(remove_rule(loaded)[0], nn.Conv2d)
        assert type(loaded[0]) is nn.Conv2d


def test_plain_checkpoints_go_in_and_out(rule):
    plain = network()
    with torch.no_grad():
        for parameter in plain.parameters():
            parameter.add_(0.25)
    module = apply_rule(network(), rule, seed=1)
    drawn = {name: feedback_matrix(module, name) for name in rule_names(module)}
    module.load_state_dict(plain.state_dict())
    with torch.no_grad():
        assert torch.equal(module(X), plain(X))
    if rule not in ("bp", "usf", "frsf", "brsf"):  # the others carry the signs of the weights
        assert_equal([feedback_matrix(module, name) for name in drawn], drawn.values())
    plain.load_state_dict(plain_state_dict(module), strict=True)
    assert_equal(plain_state_dict(module).values(), plain.state_dict().values())
