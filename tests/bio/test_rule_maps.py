"""Rules layer by layer: which pattern decides, and what is said of maps that do not fit the network."""

from __future__ import annotations

import pytest
import torch
from rule_helpers import network
from torch import nn

from biodeephashing.bio import RULES, Backpropagation, FeedbackAlignment, apply_rule, describe, rule_names, rule_state
from biodeephashing.errors import RuleError, UnknownNameError, UsageError


def given(module):
    """The rule of every layer."""
    return {name: entry["rule"] for name, entry in rule_state(module).items()}


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("0=fa,*=bp", ["fa", "bp", "bp"]),
        ({"3": "usf", "*": "frsf"}, ["frsf", "usf", "frsf"]),
        ({"[03]": "brsf", "5": "dfa"}, ["brsf", "brsf", "dfa"]),
        ({"?": FeedbackAlignment()}, ["fa", "fa", "fa"]),
        ({"0": "wm", "3": Backpropagation(), "*": "drtp"}, ["wm", "bp", "drtp"]),
    ],
)
def test_the_first_pattern_that_matches_decides(rules, expected):
    assert list(given(apply_rule(network(), rules)).values()) == expected


def test_a_star_that_takes_nothing_is_allowed():
    assert set(given(apply_rule(network(), "0=fa,3=fa,5=fa,*=bp")).values()) == {"fa"}


def test_a_layer_learns_as_if_its_rule_were_everywhere(rule):
    """Feedback depends on seed, rule and name alone, so a map changes nothing in the layers it gives the same rule."""
    everywhere, mapped = apply_rule(network(), rule), apply_rule(network(), {"3": rule, "*": "bp"})
    one, other = dict(everywhere.named_buffers()), dict(mapped.named_buffers())
    names = [name for name in one if name.startswith("3.weight_feedback")]
    assert names == [name for name in other if "weight_feedback" in name]
    assert all(torch.equal(one[name], other[name]) for name in names)
    assert given(mapped) == {"0": "bp", "3": rule, "5": "bp"}


def test_patterns_are_matched_with_the_names_they_are_given():
    module = nn.ModuleDict({"backbone": network(), "hash_layer": nn.Linear(5, 2)})
    short = {name: name.removeprefix("backbone.") for name in rule_names(module)}
    apply_rule(module, "hash_layer=bp,0=usf,*=fa", names=short)
    assert given(module) == {"backbone.0": "usf", "backbone.3": "fa", "backbone.5": "fa", "hash_layer": "bp"}
    assert rule_state(module)["backbone.3"]["key"] == "backbone.3"  # matrices are drawn by the true name


@pytest.mark.parametrize(
    ("rules", "error", "message"),
    [
        (
            {"feature.*": "fa", "*": "bp"},
            RuleError,
            r"pattern 'feature.\*' for rule 'fa' matches no layer: did you mean 'features.\*'\? The layers",
        ),
        ({"image.*": "fa", "*": "bp"}, RuleError, r"matches no layer\. The layers are"),
        ({"features.1": "fa", "*": "bp"}, RuleError, r"matches no layer: .*The layers are features.0, features.3, classifier"),
        (
            {"*": "bp", "classifier": "fa"},
            RuleError,
            r"pattern 'classifier' for rule 'fa' never applies: '\*' before it takes 'classifier' already",
        ),
        ({"feat*": "bp", "features.0": "fa", "*": "bp"}, RuleError, r"'features.0' for rule 'fa' never applies: 'feat\*' before it"),
        ({"features.*": "fa"}, RuleError, r"says nothing about 1 of 3 layers \('classifier'\): end it with '\*=bp'"),
        ({}, RuleError, r"says nothing about 3 of 3 layers"),
        ({"*": "frfs"}, UnknownNameError, "did you mean 'frsf'"),
        ({"*": None}, RuleError, "None is no learning rule"),
        ("features.*=fa,*", UsageError, r"'\*' is not of the form pattern=rule"),
        ("*=fa,*=bp", UsageError, r"'\*' comes twice"),
    ],
)
def test_maps_that_do_not_fit_leave_the_network_as_it_was(rules, error, message):
    module = nn.Sequential()
    module.features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 8))
    module.classifier = nn.Linear(8, 2)
    classes = [type(part) for part in module.modules()]
    with pytest.raises(error, match=message):
        apply_rule(module, rules)
    assert [type(part) for part in module.modules()] == classes
    assert not dict(module.named_buffers())


def test_what_a_rule_cannot_reach_may_stay_with_bp():
    module = nn.ModuleDict({"cell": nn.LSTM(3, 4), "head": nn.Linear(4, 2)})
    with pytest.raises(RuleError, match="cannot reach layer 'cell'"):
        apply_rule(module, "fa")
    apply_rule(module, "cell=bp,*=fa")
    assert given(module) == {"head": "fa"}


def test_the_report_tells_the_rules_apart(rule):
    rows = describe(apply_rule(network(), {"0": "bp", "*": rule}))
    assert [row.rule for row in rows if row.rule] == ["bp", rule, rule]


def test_all_rules_in_one_network():
    module = nn.Sequential(*(part for _ in RULES for part in (nn.Linear(6, 6), nn.Tanh())))
    names = rule_names(module)
    apply_rule(module, dict(zip(names, RULES, strict=True)))
    assert list(given(module).values()) == list(RULES)
