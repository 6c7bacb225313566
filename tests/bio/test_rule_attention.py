"""Attention by a rule: forwards not a bit differs, and backwards every projection's error goes by the definition of its rule."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given, settings
from hypothesis import strategies as st
from many_cases import each_case
from rule_helpers import label, one_hot, ready
from rule_oracle import magnitudes_of_a_step
from timm.models.beit import Attention as BeitAttention
from torch import nn
from torch.nn.utils.parametrizations import weight_norm
from torchvision.models.swin_transformer import ShiftedWindowAttention, ShiftedWindowAttentionV2

from biodeephashing.bio import RULES, BroadcastRule, apply_rule, check_reach, feedback_matrix, remove_rule, track_optimizer
from biodeephashing.bio._interception import WeightInterceptor
from biodeephashing.bio._layers import bindings
from biodeephashing.errors import RuleError

LINEAR = F.linear
TOLERANCE = {"rtol": 1e-10, "atol": 1e-12}


@st.composite
def attentions(draw):
    """An attention, its inputs and everything that can be asked of it."""
    heads, width = draw(st.sampled_from([(1, 4), (2, 5), (3, 1)]))
    embed, batch = heads * width, draw(st.integers(1, 3))
    same = draw(st.sampled_from(["q=k=v", "k=v", "q=k", "all different", "other widths"]))
    queries, keys = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    keys = queries if same in ("q=k=v", "q=k") else keys
    choice = {name: draw(st.booleans()) for name in ("bias", "add_bias_kv", "add_zero_attn", "batch_first")}
    choice |= {"dropout": draw(st.sampled_from([0.0, 0.4]))} | ({"kdim": 3, "vdim": 2} if same == "other widths" else {})
    dtype, batched = draw(st.sampled_from([torch.float32, torch.float64])), draw(st.booleans())
    torch.manual_seed(draw(st.integers(0, 100)))
    module = nn.MultiheadAttention(embed, heads, **choice).to(dtype)

    def sequence(length, width):
        shape = (batch, length) if choice["batch_first"] else (length, batch)
        return torch.randn(*(shape if batched else (length,)), width, dtype=dtype)

    query = sequence(queries, embed)
    key = query if same in ("q=k=v", "q=k") else sequence(keys, choice.get("kdim", embed))
    value = key if same in ("q=k=v", "k=v") else sequence(keys, choice.get("vdim", embed))
    rows = batch if batched else 1

    def mask(shape, kind):
        return None if kind is None else torch.rand(shape) < 0.3 if kind == "bool" else torch.randn(shape, dtype=dtype)

    kinds = st.sampled_from([None, "bool", "float"])
    shape = draw(st.sampled_from([(queries, keys), (rows * heads, queries, keys)]))
    options = {
        "attn_mask": mask(shape, draw(kinds)),
        "key_padding_mask": mask((rows, keys) if batched else (keys,), draw(kinds)),
        "need_weights": draw(st.booleans()),
        "average_attn_weights": draw(st.booleans()),
        "is_causal": draw(st.booleans()),
    }
    if options["is_causal"]:
        options["attn_mask"] = torch.ones(queries, keys, dtype=torch.bool).triu(1)
    return module, (query, key, value), options


def assert_same_bits(found, wanted):
    if wanted is None:
        assert found is None
        return
    assert (found.dtype, found.shape, found.stride()) == (wanted.dtype, wanted.shape, wanted.stride())
    assert torch.equal(found.isnan(), wanted.isnan())
    assert torch.equal(found.nan_to_num(), wanted.nan_to_num())


@pytest.mark.filterwarnings("ignore:Support for mismatched")
@given(attentions(), st.sampled_from(["training", "evaluation", "frozen evaluation", "no gradients"]), st.booleans())
@settings(max_examples=250, deadline=None)
def test_the_outputs_and_weights_of_attention_are_pytorchs(case, mode, autocast):
    plain, inputs, options = case
    plain.train(mode == "training").requires_grad_(mode != "frozen evaluation")
    ruled = copy.deepcopy(plain)
    apply_rule(ruled, {"*in*": "fa", "*": "bp"} if ruled._qkv_same_embed_dim else "fa")
    results = []
    for module in (ruled, plain):
        torch.manual_seed(1)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast), torch.set_grad_enabled(mode != "no gradients"):
            results.append((*module(*inputs, **options), torch.rand(1)))
    for found, wanted in zip(*results, strict=True):
        assert_same_bits(found, wanted)  # the last is the state of the random generator


class Pooled(nn.Module):
    """A network of one part: a mean over positions and a linear map make (batch, 3) of what the part returns."""

    def __init__(self, part, width=6, axes=(1,), **options):
        super().__init__()
        self.part, self.head, self.axes, self.options = part, nn.Linear(width, 3), axes, options

    def forward(self, *inputs):
        output = self.part(*inputs, **self.options)
        return self.head((output if isinstance(output, torch.Tensor) else output[0]).mean(self.axes))


BATCH = 2  # halves are exact in any type


class Definition:
    """The products of a plain network by the definition of each weight's rule, in the place of ``F.linear``."""

    def __init__(self, ruled):
        self.plain = remove_rule(copy.deepcopy(ruled))
        self.given, self.signals, self.seen = {}, [], set()
        for name, binding in bindings(ruled).items():
            owner = self.plain.get_submodule(name.removesuffix(binding.parameter).rstrip(".") if binding.parameter != "weight" else name)
            self.given[id(getattr(owner, binding.parameter))] = binding.rule, carried(binding)

    def linear(self, input, weight, bias=None):
        whole = weight if weight._base is None else weight._base
        rule, matrix = self.given[id(whole)]
        if isinstance(rule, BroadcastRule):
            if (id(input), id(whole)) not in self.seen and input.requires_grad:
                self.seen.add((id(input), id(whole)))
                self.signals.append((input, matrix))
            return LINEAR(input.detach(), weight, bias)
        first = weight.storage_offset() // weight.shape[1]
        through = LINEAR(input, matrix[first : first + len(weight)])
        return LINEAR(input.detach(), weight, bias) + (through - through.detach())

    def gradients(self, inputs, upper, monkeypatch):
        with monkeypatch.context() as patch:
            patch.setattr(F, "linear", self.linear)
            torch.manual_seed(1)
            output = self.plain(*inputs)
        total = (output * upper).sum()
        for input, matrix in self.signals:
            signal = upper if self.rule_sends_errors() else one_hot(BATCH, 3).to(upper) / BATCH
            total = total + (input * spread(signal @ matrix, input)).sum()
        return torch.autograd.grad(total, [*inputs, *self.plain.parameters()], allow_unused=True)

    def rule_sends_errors(self):
        return any(rule.name == "dfa" for rule, _ in self.given.values())


def carried(binding):
    """B by the definition of each rule, of the weight and of what the layer keeps."""
    weight, kept = binding.weight.detach(), binding.buffer("feedback")
    if binding.rule.name in ("bp", "usf"):
        return weight if binding.rule.name == "bp" else 0.3 * torch.sign(weight)
    if binding.rule.name == "brsf":
        kept = magnitudes_of_a_step(kept, binding.buffer("feedback_starts"), weight.shape)
    return kept.abs() * torch.sign(weight) if binding.rule.name in ("frsf", "brsf") else kept


def spread(rows, input):
    """What every position of an input gets; the batch is the first axis, the second, or the windows' or tokens' outer or inner part."""
    if input.dim() > 2 and input.shape[0] == BATCH:
        return rows.view(BATCH, *[1] * (input.dim() - 2), -1).expand_as(input)
    if input.dim() == 3 and input.shape[1] == BATCH:
        return rows.expand_as(input)
    if input.dim() == 3:
        return rows.repeat_interleave(len(input) // BATCH, 0)[:, None].expand_as(input)
    return rows.repeat(len(input) // BATCH, 1)


def attention(**options):
    return nn.MultiheadAttention(6, 2, batch_first=True, **options)


MASK = torch.tensor([[0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0], [1, 0, 0, 0]], dtype=torch.bool)
PADDING = torch.tensor([[0, 0, 0, 1], [1, 0, 0, 1]], dtype=torch.bool)

# what is built, and the shapes of its inputs; an input of the shape None is the one before it, the very same tensor
NETWORKS = {
    "q=k=v": (lambda: Pooled(attention()), [(BATCH, 4, 6), None, None]),
    "q=k=v, fused": (lambda: Pooled(attention(dropout=0.2), need_weights=False), [(BATCH, 4, 6), None, None]),
    "q=k=v, masked": (
        lambda: Pooled(attention(add_bias_kv=True, add_zero_attn=True), attn_mask=MASK, key_padding_mask=PADDING),
        [(BATCH, 4, 6), None, None],
    ),
    "k=v": (lambda: Pooled(attention(bias=False), need_weights=False), [(BATCH, 4, 6), (BATCH, 5, 6), None]),
    "q=k": (lambda: Pooled(nn.MultiheadAttention(6, 2), axes=(0,)), [(4, BATCH, 6), None, (4, BATCH, 6)]),
    "all different": (lambda: Pooled(attention(), key_padding_mask=PADDING), [(BATCH, 5, 6), (BATCH, 4, 6), (BATCH, 4, 6)]),
    "other widths": (lambda: Pooled(attention(kdim=5, vdim=2)), [(BATCH, 5, 6), (BATCH, 4, 5), (BATCH, 4, 2)]),
    "encoder layer": (lambda: Pooled(nn.TransformerEncoderLayer(6, 2, 8, 0.0, batch_first=True)), [(BATCH, 4, 6)]),
    "decoder layer": (lambda: Pooled(nn.TransformerDecoderLayer(6, 2, 8, 0.2, batch_first=True)), [(BATCH, 4, 6), (BATCH, 5, 6)]),
    "transformer": (lambda: Pooled(nn.Transformer(6, 2, 1, 1, 8, 0.0), axes=(0,)), [(4, BATCH, 6), (5, BATCH, 6)]),
    "swin": (lambda: Pooled(ShiftedWindowAttention(6, [2, 2], [1, 1], 2), axes=(1, 2)), [(BATCH, 4, 4, 6)]),
    "swin v2": (lambda: Pooled(ShiftedWindowAttentionV2(6, [2, 2], [0, 0], 2), axes=(1, 2)), [(BATCH, 4, 4, 6)]),
    "beit": (lambda: Pooled(BeitAttention(6, 2, qkv_bias=True, window_size=(2, 2))), [(BATCH, 5, 6)]),
    "beit without bias": (lambda: Pooled(BeitAttention(6, 2)), [(BATCH, 5, 6)]),
}


def inputs_of(shapes):
    tensors = []
    for shape in shapes:
        tensors.append(tensors[-1] if shape is None else torch.randn(shape, dtype=torch.float64, requires_grad=True))
    return tensors


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@each_case("name", NETWORKS)
def test_every_projection_sends_down_what_its_rule_says(name, rule, monkeypatch):
    build, shapes = NETWORKS[name]
    torch.manual_seed(0)
    network, inputs = build().double(), inputs_of(shapes)
    # Swin v2 computes its bias of attention by two layers that see no image at all: nothing could be broadcast to them
    apart = name == "swin v2" and issubclass(RULES[rule], BroadcastRule)
    ready(apply_rule(network, {"*.cpb_mlp.*": "bp", "*": rule} if apart else rule, seed=4, scale=0.3))
    assert isinstance(network.part, WeightInterceptor) == (name.split()[0] in ("swin", "beit"))
    label(network, BATCH)
    check_reach(network, *inputs)
    definition, upper = Definition(network), torch.randn(BATCH, 3, dtype=torch.float64)
    label(network, BATCH)
    torch.manual_seed(1)
    found = torch.autograd.grad(network(*inputs), [*inputs, *network.parameters()], upper, allow_unused=True)
    wanted = definition.gradients(inputs, upper, monkeypatch)
    for gradient, right in zip(found, wanted, strict=True):
        assert (gradient is None) == (right is None)
        if right is not None:
            torch.testing.assert_close(gradient, right, **TOLERANCE)


def test_a_sequence_alone_learns_as_in_a_batch_of_one(rule):
    torch.manual_seed(0)
    x, upper = torch.randn(4, 6, dtype=torch.float64), torch.randn(1, 3, dtype=torch.float64)
    network = ready(apply_rule(Pooled(nn.MultiheadAttention(6, 2), axes=(0,)).double(), rule))
    gradients = []
    for sequence, error in ((x, upper[0]), (x[:, None], upper)):
        query = sequence.clone().requires_grad_()
        label(network, 1)
        gradients.append(torch.autograd.grad(network(query, query, query), [query, *network.parameters()], error))
    for alone, batch in zip(*gradients, strict=True):
        torch.testing.assert_close(alone, batch.reshape(alone.shape), **TOLERANCE)


@pytest.mark.parametrize("rule_of_in", sorted(RULES))
def test_the_projections_may_have_rules_of_their_own(rule_of_in):
    """What goes down through a packed in-projection is B's own, whatever the out-projection's rule is."""
    torch.manual_seed(0)
    network = Pooled(nn.MultiheadAttention(6, 2), axes=(0,)).double()
    ready(apply_rule(network, {"part.in_proj_weight": rule_of_in, "*": "bp"}, seed=2))
    x = torch.randn(4, BATCH, 6, dtype=torch.float64, requires_grad=True)
    label(network, BATCH)
    projected = []
    network.part.out_proj.register_forward_pre_hook(lambda _, inputs: projected.append(inputs[0]))
    output, error = network(x, x, x), torch.randn(BATCH, 3, dtype=torch.float64)
    down, at_out = torch.autograd.grad(output, [x, projected[0]], error)
    matrix = feedback_matrix(network, "part.in_proj_weight")
    if issubclass(RULES[rule_of_in], BroadcastRule):
        signal = error if rule_of_in == "dfa" else one_hot(BATCH, 3).double() / BATCH
        torch.testing.assert_close(down, (signal @ matrix).expand_as(x), **TOLERANCE)
        return
    # exact derivatives of attention itself, between the out-projection's input and what the in-projection puts out
    q, k, v = (part.detach().requires_grad_() for part in LINEAR(x, network.part.in_proj_weight, network.part.in_proj_bias).chunk(3, -1))
    heads = [part.reshape(4, BATCH, 2, 3).permute(1, 2, 0, 3) for part in (q, k, v)]
    attended = (heads[0] @ heads[1].transpose(-1, -2) / 3**0.5).softmax(-1) @ heads[2]
    errors = torch.autograd.grad(attended.permute(2, 0, 1, 3).reshape(4, BATCH, 6), (q, k, v), at_out)
    torch.testing.assert_close(down, torch.cat(errors, -1) @ matrix, **TOLERANCE)


def test_batchwise_magnitudes_of_separate_rows_are_the_rows_of_one_matrix():
    """Keys and values from one tensor, queries from another: rows of the same B in one step, another B in the next."""
    torch.manual_seed(0)
    module = apply_rule(nn.MultiheadAttention(4, 1, bias=False).double(), "brsf", seed=1)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.0)
    track_optimizer(module, optimizer)
    query, memory = (torch.randn(2, 1, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))
    before = feedback_matrix(module, "in_proj_weight")
    for _ in range(2):
        matrix = feedback_matrix(module, "in_proj_weight")
        one, two = (module(query, memory, last)[0] for last in (memory, memory.clone()))
        upper = torch.randn_like(one)
        pairs = zip(*(torch.autograd.grad(output, (query, memory), upper) for output in (one, two)), strict=True)
        for found, wanted in pairs:
            torch.testing.assert_close(found, wanted, **TOLERANCE)
        optimizer.step()
    assert not torch.equal(before, matrix)


def test_hosts_know_a_weight_that_a_parametrisation_computes(rule):
    torch.manual_seed(0)
    plain = Pooled(ShiftedWindowAttention(6, [2, 2], [0, 0], 2), axes=(1, 2)).double()
    computed = copy.deepcopy(plain)
    weight_norm(computed.part.qkv)
    x, down = torch.randn(BATCH, 4, 4, 6, dtype=torch.float64, requires_grad=True), []
    for network in (plain, computed):
        # kp copies the steps of no computed weight
        ready(apply_rule(network, {"part.qkv": "fa", "*": rule} if rule == "kp" else rule, seed=4, scale=0.3))
        label(network, BATCH)
        check_reach(network, x)
        label(network, BATCH)
        down.append(torch.autograd.grad(network(x).square().sum(), x)[0])
    torch.testing.assert_close(*down, **TOLERANCE)


def test_a_packed_projection_may_be_computed_by_a_parametrisation():
    torch.manual_seed(0)
    plain = nn.MultiheadAttention(6, 2).double()
    computed = copy.deepcopy(plain)
    weight_norm(computed, "in_proj_weight")
    x, down = torch.randn(4, 3, 6, dtype=torch.float64, requires_grad=True), []
    for module in (plain, computed):
        apply_rule(module, "frsf", seed=4)
        check_reach(module, x, x, x)
        down.append(torch.autograd.grad(module(x, x, x)[0].square().sum(), x)[0])
    torch.testing.assert_close(*down, **TOLERANCE)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attn_mask": torch.zeros(4, 5)}, r"attn_mask is of type bool or float and of shape \(4, 4\) or \(6, 4, 4\), not torch.float32"),
        ({"attn_mask": torch.zeros(4, 4, dtype=torch.int64)}, "attn_mask is of type bool or float .* not torch.int64"),
        ({"key_padding_mask": torch.zeros(4, dtype=torch.bool)}, r"key_padding_mask is of type bool or float and of shape \(3, 4\), not"),
        ({"is_causal": True}, "is_causal=True is only a hint about attn_mask, which is missing"),
    ],
)
def test_masks_that_do_not_fit_are_refused(options, message):
    x = torch.randn(4, 3, 6)
    with pytest.raises(RuleError, match=message):
        apply_rule(nn.MultiheadAttention(6, 2), "fa")(x, x, x, **options)


def test_inputs_that_do_not_fit_are_refused():
    module, x = apply_rule(nn.MultiheadAttention(6, 2), "fa"), torch.randn(4, 3, 6)
    with pytest.raises(RuleError, match=r"wants queries of width 6 and as many keys as values .* \(4, 3, 6\), \(5, 3, 6\) and \(4, 3, 6\)"):
        module(x, torch.randn(5, 3, 6), x)
    with pytest.raises(RuleError, match="padded sequences with a mask, not nested tensors"):
        module(*3 * [torch.nested.nested_tensor([x[0], x[1]], layout=torch.jagged)])


def test_an_empty_batch_of_sequences(rule):
    network = ready(apply_rule(Pooled(attention(), need_weights=False), rule))
    x = torch.zeros(0, 4, 6, requires_grad=True)
    label(network, 0)
    network(x, x, x).sum().backward()
    assert x.grad.shape == x.shape
    assert all(p.grad is None or not p.grad.any() for n, p in network.named_parameters())
