"""Maps from layers to rules as text: what they mean, and what is said of those that mean nothing."""

import pytest

from biodeephashing.errors import UsageError
from biodeephashing.settings.rule_maps import PRESETS, canonical, parse_rule_map, rule_map, rules_named

LENET = ["features.0", "features.3", "classifier.0", "hash_layer"]


def test_a_map_keeps_its_order():
    assert list(parse_rule_map("b=fa,a=bp,*=usf").items()) == [("b", "fa"), ("a", "bp"), ("*", "usf")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("features.*=frsf,*=bp", "features.*=frsf,*=bp"),
        ("  features.* =frsf ,\t* = bp ", "features.*=frsf,*=bp"),
        ("classifier-only : fa", "classifier-only:fa"),
        (" fa ", "fa"),
    ],
)
def test_blanks_mean_nothing(text, expected):
    assert canonical(text) == expected
    assert canonical(expected) == expected


@pytest.mark.parametrize("text", ["=fa", "a=", "a=fa,", ",a=fa", "a=fa,,*=bp", "a=fa,b", " = ", "*=bp, =fa"])
def test_entries_of_another_form_are_refused(text):
    with pytest.raises(UsageError, match="is not of the form pattern=rule"):
        parse_rule_map(text)


def test_a_pattern_that_comes_twice_is_refused():
    with pytest.raises(UsageError, match="the pattern 'a' comes twice"):
        parse_rule_map("a=fa,*=bp, a =usf")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("fa", ["fa"]), ("all-but-hash-layer:frsf", ["frsf"]), ("a=fa,b=bp,c=fa", ["fa", "bp"]), ("*=fa:b", ["fa:b"])],
)
def test_rules_of_a_text(text, expected):
    assert rules_named(text) == expected


def test_an_unknown_preset_names_the_nearest():
    with pytest.raises(UsageError, match="unknown preset 'clasifier-only' of rules: did you mean 'classifier-only'"):
        rules_named("clasifier-only:fa")
    with pytest.raises(UsageError, match=r"unknown preset 'q' of rules. Known: all-but-hash-layer, classifier-only"):
        rules_named("q:fa")


@pytest.mark.parametrize(
    ("text", "layers", "expected"),
    [
        ("usf", LENET, "usf"),
        ("features.*=fa,*=bp", LENET, {"features.*": "fa", "*": "bp"}),
        ("all-but-hash-layer:frsf", LENET, {"hash_layer": "bp", "*": "frsf"}),
        ("classifier-only:fa", LENET, {"hash_layer": "fa", "classifier.*": "fa", "*": "bp"}),
        ("classifier-only:fa", ["conv1", "layer1.0.conv1", "hash_layer"], {"hash_layer": "fa", "*": "bp"}),
    ],
)
def test_what_a_text_means_for_a_network(text, layers, expected):
    found = rule_map(text, layers)
    assert found == expected
    assert not isinstance(expected, dict) or list(found) == list(expected)


def test_every_preset_is_known_everywhere():
    for preset in PRESETS:
        assert rules_named(f"{preset}:dfa") == ["dfa"]
        assert "dfa" in rule_map(f"{preset}:dfa", LENET).values()


@pytest.mark.parametrize("text", ["all-but-hash-layer", "classifier-only:"])
def test_a_preset_without_a_rule_is_refused(text):
    with pytest.raises(UsageError, match=r"wants a rule behind it: .*:fa"):
        rules_named(text)
