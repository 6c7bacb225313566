"""What the forward pass multiplies by: products past every rule are found, whatever the module is called."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn
from torch.nn.utils import parametrizations

from biodeephashing.bio import apply_rule, check_reach, describe, load_rule_state, remove_rule, rule_state
from biodeephashing.errors import RuleError

X = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))

PRODUCTS = {
    "F.linear": lambda m, x: F.linear(x, m.matrix),
    "@": lambda m, x: x @ m.matrix,
    "its transpose": lambda m, x: x @ m.matrix.t(),
    "from the left": lambda m, x: (m.matrix @ x.t()).t(),
    "torch.matmul": lambda m, x: torch.matmul(x[:, None], m.matrix)[:, 0],
    "torch.addmm": lambda m, x: torch.addmm(m.vector, x, m.matrix),
    "torch.bmm": lambda m, x: torch.bmm(x[:, None], m.matrix.expand(len(x), 4, 4))[:, 0],
    "torch.baddbmm": lambda m, x: torch.baddbmm(m.vector, x[:, None], m.matrix.expand(len(x), 4, 4))[:, 0],
    "torch.einsum": lambda m, x: torch.einsum("bi,io->bo", x, m.matrix),
    "torch.tensordot": lambda m, x: torch.tensordot(x, m.matrix, 1),
    "F.conv1d": lambda m, x: F.conv1d(x[..., None], m.matrix[..., None])[..., 0],
    "F.conv_transpose1d": lambda m, x: F.conv_transpose1d(x[..., None], m.matrix[..., None])[..., 0],
    "F.bilinear": lambda m, x: F.bilinear(x, x, m.matrix[:, :, None].expand(4, 4, 4)),
    "attention": lambda m, x: F.scaled_dot_product_attention(x[None], m.matrix[None], x[None, :1].expand(1, 4, 4))[0],
    "a vector": lambda m, x: (x @ m.matrix[0])[:, None].expand(-1, 4),
    "normalised": lambda m, x: F.linear(F.normalize(x), F.normalize(m.matrix)),
    "scaled": lambda m, x: x @ (2 * m.matrix),
    "in half precision": lambda m, x: (x.bfloat16() @ m.matrix.bfloat16()).float(),
    "rows by index": lambda m, x: x @ m.matrix[torch.tensor([3, 2, 1, 0])],
    "written as a sum": lambda m, x: (x[:, None] * m.matrix).sum(-1),
    "in a function of its own": lambda m, x: Multiply.apply(x, m.matrix),
}
NO_PRODUCTS = {
    "added": lambda m, x: x + m.matrix[:3],
    "scaled": lambda m, x: x * m.vector,
    "gated and averaged": lambda m, x: (x[:, None] * m.matrix[:, :1]).mean(1),
    "looked up": lambda m, x: x + F.embedding(torch.tensor([0, 1, 2]), m.matrix),
    "of constants": lambda m, x: x + torch.ones(3, 4) @ m.matrix,
    "of what nothing learns below": lambda m, x: x + x.detach() @ m.matrix,
    "without gradients": lambda m, x: x + unrecorded(m, x),
}


class Multiply(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, matrix):
        ctx.save_for_backward(x, matrix)
        return x @ matrix

    @staticmethod
    def backward(ctx, grad):
        x, matrix = ctx.saved_tensors
        return grad @ matrix.t(), x.t() @ grad


@torch.no_grad()
def unrecorded(m, x):
    return x @ m.matrix


class Middle(nn.Module):
    def __init__(self, how):
        super().__init__()
        self.matrix, self.vector, self.how = nn.Parameter(torch.randn(4, 4)), nn.Parameter(torch.randn(4)), how

    def forward(self, x):
        return self.how(self, x)


def between(how):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 4), Middle(how), nn.Tanh(), nn.Linear(4, 2))


def test_a_product_by_a_parameter_of_a_modules_own_is_refused_under_every_rule_but_bp():
    found = r"by 1 parameter past every rule, .*: '1.matrix' \(4, 4\) in layer '1' \(Middle\)\. .*: 1\.matrix=bp,\*="
    for name, how in PRODUCTS.items():
        network = between(how)
        for rule in ("fa", "dfa"):
            try:
                with pytest.raises(RuleError, match=found):
                    check_reach(apply_rule(network, rule), X)
            except BaseException as error:
                raise AssertionError(f"{name} by {rule}") from error
        check_reach(apply_rule(network, "bp"), X)
        check_reach(apply_rule(network, "1.matrix=bp,*=usf"), X)  # the way out
        assert {row.weight: row.reason for row in describe(network).exact}["1.matrix"].endswith("given to 'bp'")
        with pytest.raises(RuleError, match=found):
            check_reach(apply_rule(remove_rule(network), "usf"), X)


def test_what_sends_no_error_down_through_a_parameter_is_fine():
    for name, how in NO_PRODUCTS.items():
        for rule in ("fa", "dfa"):
            try:
                check_reach(apply_rule(between(how), rule), X)
            except RuleError as error:
                raise AssertionError(f"{name} by {rule}") from error


def test_a_frozen_matrix_sends_errors_down_too_unless_nothing_learns_below():
    network = apply_rule(between(PRODUCTS["@"]), "fa")
    network[1].requires_grad_(False)
    with pytest.raises(RuleError, match=r"1\.matrix"):
        check_reach(network, X)
    assert [p.requires_grad for p in network.parameters()] == [True, True, False, False, True, True]
    network[0].requires_grad_(False)
    check_reach(network, X)
    first = apply_rule(nn.Sequential(Middle(PRODUCTS["@"]), nn.Linear(4, 2)), "fa")  # multiplies the input itself
    check_reach(first, X)
    first.insert(0, nn.BatchNorm1d(4).eval())  # whose scale learns
    with pytest.raises(RuleError, match=r"1\.matrix"):
        check_reach(first, X)


def test_a_matrix_that_a_weight_is_computed_by_is_no_product():
    """The rule takes the place of the weight that is multiplied; the stored ones get their exact gradients."""
    for rule in ("fa", "dfa"):
        check_reach(apply_rule(nn.Sequential(nn.Linear(4, 4), parametrizations.orthogonal(nn.Linear(4, 4)), nn.Linear(4, 2)), rule), X)


class Tied(nn.Module):
    def __init__(self, decode):
        super().__init__()
        self.encoder, self.decode = nn.Linear(4, 3), decode

    def forward(self, x):
        return self.decode(self, torch.tanh(self.encoder(x)))


def test_a_converted_weight_that_is_multiplied_elsewhere_too_is_refused(rule):
    ways = (
        lambda m, h: h @ m.encoder.weight,
        lambda m, h: F.linear(h, m.encoder.weight.t()),
        lambda m, h: F.conv1d(h[..., None], m.encoder.weight.t()[..., None])[..., 0],
    )
    for decode in ways:
        network = apply_rule(Tied(decode), rule)
        if rule == "bp":
            check_reach(network, X)
            continue
        found = rf"'encoder.weight' \(3, 4\), which learns by rule '{rule}' in its own layer, in the module itself \(Tied\).*: encoder=bp"
        with pytest.raises(RuleError, match=found):
            check_reach(network, X)


class Backwards(nn.Module):
    """Names whose weight it multiplies by, so that its products could go by the layer's rule; but it runs the layer backwards."""

    def __init__(self):
        super().__init__()
        self.encoder, self.head = nn.Conv1d(4, 3, 1), nn.Linear(4, 2)

    def forward(self, x):
        hidden = torch.tanh(F.conv1d(x[..., None], self.encoder.weight))
        return self.head(F.conv_transpose1d(hidden, self.encoder.weight)[..., 0])


def test_a_convolution_that_is_also_run_backwards_is_refused():
    for rule in ("fa", "dfa"):
        with pytest.raises(RuleError, match=r"'encoder.weight' \(3, 4, 1\), which learns by rule .* in the module itself \(Backwards\)"):
            check_reach(apply_rule(Backwards(), rule), X)


def test_what_was_given_no_rule_keeps_its_exact_gradients_but_not_what_came_later():
    network = nn.ModuleDict({"body": between(NO_PRODUCTS["added"]), "head": nn.Linear(2, 2), "top": Middle(PRODUCTS["@"])})
    network.forward = lambda x: network["top"](F.pad(network["head"](network["body"](x)), (0, 2)))
    apply_rule(network["body"], "fa")
    check_reach(network, X)
    check_reach(network["body"], X)
    apply_rule(network, "top.matrix=bp,*=fa")
    check_reach(network, X)
    check_reach(load_rule_state(between(NO_PRODUCTS["added"]), rule_state(network["body"])), X)
    network["head"] = nn.Linear(2, 2)
    with pytest.raises(RuleError, match=r"'head.weight' \(2, 2\), of a layer that came after the rule: apply_rule\(\) again, in layer"):
        check_reach(network, X)


class InputTied(nn.Module):
    """A language model's: the table of the tokens is the last layer's weight."""

    def __init__(self):
        super().__init__()
        self.table, self.head = nn.Embedding(7, 4), nn.Linear(4, 7, bias=False)
        self.head.weight = self.table.weight

    def forward(self, tokens):
        return {"scores": (self.head(self.table(tokens)),)}


def test_a_weight_that_is_looked_up_elsewhere_is_fine():
    check_reach(apply_rule(InputTied(), "fa"), torch.tensor([[1, 2, 3]]))


def test_a_pattern_that_gives_a_rule_to_what_no_rule_can_be_given_to_is_refused():
    with pytest.raises(RuleError, match=r"pattern '1.matrix' for rule 'fa' matches only '1.matrix', which is in no layer"):
        apply_rule(between(PRODUCTS["@"]), "1.matrix=fa,*=usf")
    with pytest.raises(RuleError, match=r"pattern '0\.\*' for rule 'bp' matches no layer"):  # the layer is '0': its bias alone is no match
        apply_rule(between(PRODUCTS["@"]), "0.*=bp,*=usf")
