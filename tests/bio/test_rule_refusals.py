"""Bad input is refused in words, and the report leaves nothing out."""

from __future__ import annotations

import copy
import math
import pickle

import pytest
import torch
from rule_helpers import X, network
from torch import nn
from torch.nn.utils import parametrizations

from biodeephashing.bio import RULES, Rule, apply_rule, check_reach, describe, remove_rule, rule_state, track_optimizer
from biodeephashing.errors import RuleError, UnknownNameError


class Doubling(nn.Linear):
    def forward(self, input):
        return 2 * (input @ self.weight.t())


class Averaging(nn.MultiheadAttention):
    def forward(self, query, key, value, **_):
        return value.mean(1, keepdim=True).expand_as(query), None


class Restful(nn.Conv2d):
    """A subclass that only adds a constructor is an ordinary convolution."""

    def __init__(self):
        super().__init__(3, 2, 3)


def test_subclasses_with_the_forward_of_their_base_are_converted(rule):
    layer = apply_rule(Restful(), rule)
    assert isinstance(layer, Restful)
    assert rule_state(layer)[""]["rule"] == rule
    assert pickle.loads(pickle.dumps(layer)).extra_repr() == layer.extra_repr()
    assert type(remove_rule(layer)) is Restful


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (Doubling(3, 3), r"layer 'odd' \(Doubling\): it computes in its own way, not as Linear does"),
        (Averaging(4, 2), r"layer 'odd' \(Averaging\): it computes in its own way, not as MultiheadAttention does"),
        (nn.LSTM(4, 4), r"layer 'odd' \(LSTM\)"),
        (nn.GRUCell(4, 4), r"layer 'odd' \(GRUCell\)"),
        (nn.Bilinear(2, 2, 2), r"layer 'odd' \(Bilinear\)"),
        (nn.MultiheadAttention(4, 2, device="meta"), r"layer 'odd' \(MultiheadAttention\): it has weights without values"),
        (nn.LazyLinear(3), "run one batch through it first"),
        (nn.Linear(3, 3, device="meta"), "without values"),
        (nn.Linear(3, 3, dtype=torch.complex64), "complex64"),
    ],
)
def test_what_a_rule_cannot_reach_is_refused_in_words_and_nothing_changes(part, words):
    module = nn.ModuleDict({"first": nn.Linear(2, 2), "odd": part})
    for rule in sorted(RULES):
        if RULES[rule].exact:
            continue
        with pytest.raises(RuleError, match=words):
            apply_rule(module, rule)
        assert rule_state(module) == {}
    apply_rule(module, "bp")  # these gradients are backpropagation's anyway
    assert next(iter(rule_state(module))) == "first"
    assert all(row.reason for row in describe(module).exact)


def test_a_layer_whose_forward_was_replaced_on_the_object_is_refused():
    layer = nn.Linear(2, 2)
    layer.forward = lambda x: x
    with pytest.raises(RuleError, match="the module itself"):
        apply_rule(layer, "fa")


class Ragged(Rule):
    name = "ragged"

    def feedback(self, weight, matrix, scale):
        return weight[:1]


class Mute(Rule):
    name = "mute"

    def feedback(self, weight, matrix, scale):
        return None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rule": "frfs"}, "unknown learning rule 'frfs': did you mean 'frsf'"),
        ({"rule": 3}, "3 is no learning rule"),
        ({"rule": RULES["fa"]}, "no learning rule"),
        ({"rule": {0: "fa", "*": "bp"}}, "0 in the rule map is no pattern: .* '0'"),
        ({"rule": Ragged()}, r"'ragged' answers a weight of shape \(2, 3\) with \(1, 3\)"),
        ({"rule": Mute()}, "with None"),
        ({"scale": "wieght"}, "for rule 'fa' of Sequential: did you mean 'weight'"),
        ({"scale": "0.1"}, "positive number"),
        ({"scale": 0}, "scale=0 for rule 'fa' of Sequential: .*positive number"),
        ({"scale": -1.0}, "positive number"),
        ({"scale": math.inf}, "positive number"),
        ({"scale": math.nan}, "positive number"),
        ({"scale": True}, "positive number"),
        ({"scale": None}, "positive number"),
        ({"seed": 0.5}, "integer"),
        ({"seed": True}, "integer"),
        ({"seed": None}, "integer"),
    ],
)
def test_bad_arguments(arguments, message):
    module = network()
    with pytest.raises((RuleError, UnknownNameError), match=message):
        apply_rule(module, **{"rule": "fa", **arguments})
    assert rule_state(module) == {}


def test_nothing_to_convert():
    with pytest.raises(RuleError, match="ReLU holds no Linear or convolution layer"):
        apply_rule(nn.ReLU(), "bp")


def test_the_scale_of_untrained_zeros_is_refused():
    layer = nn.Linear(3, 2)
    nn.init.zeros_(layer.weight)
    with pytest.raises(RuleError, match=r"which is 0 for \(2, 3\)"):
        apply_rule(layer, "usf", scale="weight")


class BehindItsBack(nn.Module):
    def __init__(self, multiply):
        super().__init__()
        self.norm, self.used, self.bypassed = nn.BatchNorm1d(3), nn.Linear(3, 3), nn.Linear(3, 3)
        self.multiply = multiply

    def forward(self, x):
        return self.multiply(self, nn.functional.dropout(self.used(self.norm(x))))


class ByItself(BehindItsBack):
    """Says plainly, in its own code, whose weight it multiplies by."""

    def __init__(self):
        super().__init__(None)

    def forward(self, x):
        return nn.functional.linear(self.used(self.norm(x)), self.bypassed.weight)


def test_a_module_that_multiplies_by_a_childs_weight_itself_is_reached(rule):
    module = apply_rule(ByItself(), rule)
    check_reach(module, torch.randn(4, 3))
    assert rule_state(module).keys() == {"used", "bypassed"}
    assert type(remove_rule(module)) is ByItself


@pytest.mark.parametrize(
    ("multiply", "multiplies"),
    [
        (lambda self, x: x @ self.bypassed.weight.t(), True),
        (lambda self, x: nn.functional.linear(x, dict(self.bypassed.named_parameters())["weight"]), True),
        (lambda self, x: x, False),
    ],
    ids=["another product", "another way to the weight", "no product"],
)
def test_a_layer_that_is_never_called_is_found(rule, multiply, multiplies):
    module, x = apply_rule(BehindItsBack(multiply), rule), torch.randn(4, 3)
    torch.manual_seed(1)
    before, wanted = copy.deepcopy(module.state_dict()), torch.rand(1)
    torch.manual_seed(1)
    never = rf"never calls 1 of its 2 .*: layer 'bypassed' \(Linear\) \(3, 3\) by rule '{rule}'\."
    past = rf"by 1 parameter .*: 'bypassed.weight' \(3, 3\), which learns by rule '{rule}' in its own layer, .*: bypassed=bp,\*={rule}"
    with pytest.raises(RuleError, match=past if multiplies and rule != "bp" else never):
        check_reach(module, x)
    assert torch.equal(torch.rand(1), wanted)
    assert all(torch.equal(before[n], v) for n, v in module.state_dict().items())
    assert not module.used._forward_pre_hooks
    check_reach(apply_rule(network(), rule), X)
    with pytest.raises(RuleError, match="apply_rule"):
        check_reach(network(), X)


class Zoo(nn.Module):
    def __init__(self):
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, 1, 4))
        self.embed = nn.Embedding(7, 4)
        self.attention = nn.MultiheadAttention(4, 2)
        self.norm = nn.LayerNorm(4)
        self.slope = nn.PReLU()
        self.recurrent = nn.LSTM(4, 4)
        self.odd = Doubling(4, 4)
        self.head = parametrizations.weight_norm(nn.Linear(4, 2))


def test_every_weight_is_listed_once_with_its_rule_or_its_reason():
    report = describe(apply_rule(Zoo(), "bp"))
    listed = {(row.name, row.parameter): row.reason for row in report}
    assert len(listed) == len(report)
    assert [(row.name, row.parameter) for row in report.converted] == [
        ("attention", "in_proj_weight"),
        ("attention.out_proj", "weight"),
        ("head", "weight"),
    ]
    assert "embedding" in listed["embed", "weight"]
    assert "normalisation" in listed["norm", "weight"]
    assert "PReLU" in listed["slope", "weight"]
    assert "Zoo" in listed["", "token"]
    assert "own way" in listed["recurrent", "weight_hh_l0"]
    assert "own way, not as Linear" in listed["odd", "weight"]
    weights = {n for n, _ in Zoo().named_parameters() if "bias" not in n and "head" not in n}
    assert {f"{n}.{p}".lstrip(".") for n, p in listed} == weights | {"head.weight"}


def test_the_report_of_every_rule_says_what_applies_to_it(rule):
    report = describe(apply_rule(network(), rule, seed=11, scale=0.2))
    assert [row.name for row in report.converted] == ["0", "3", "5"]
    assert {row.rule for row in report.converted} == {rule}
    assert {row.scale for row in report.converted} == {None if rule == "bp" else 0.2}
    assert {row.seed for row in report.converted} == {None if rule in ("bp", "usf") else 11}
    assert [row.reason for row in report.exact] == ["normalisation scale"]


def test_report_of_a_drawn_rule():
    plain = network()
    assert {row.reason for row in describe(plain)} == {"no rule applied", "normalisation scale"}
    report = describe(apply_rule(plain, "fa", seed=11, scale="weight"))
    row = report[-1]
    assert (row.name, row.layer, row.parameter, row.shape) == ("5", "Linear", "weight", (5, 64))
    assert (row.rule, row.asked, row.seed, row.reason) == ("fa", "weight", 11, "")
    assert row.scale == pytest.approx(plain[5].weight.square().mean().sqrt().item(), rel=1e-5)
    text = str(report)
    assert len(text.splitlines()) == 5
    assert "(weight)" in text
    assert "exact: normalisation scale" in text
    with pytest.raises(AttributeError):
        row.rule = "bp"


def test_a_network_is_wanted_first():
    with pytest.raises(RuleError, match=r"apply_rule takes a network first, a torch\.nn\.Module, not a str"):
        apply_rule("fa", nn.Linear(2, 2))
    network = apply_rule(nn.Linear(2, 2), "fa")
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    in_order = "track_optimizer takes a network and its optimizer, in this order, not a SGD as its network"
    for wrong, words in (((optimizer, network), in_order), ((network, None), "a NoneType is no optimizer and holds none")):
        with pytest.raises(RuleError, match=words):
            track_optimizer(*wrong)
