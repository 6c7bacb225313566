"""Maps from layers to learning rules as text: ``features.*=frsf,*=bp``, and the two that have a name."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import UsageError, nearest
from ..parsing import parse_entries

PRESETS = {
    "all-but-hash-layer": "the rule everywhere, bp in the hash layer",
    "classifier-only": "the rule in the fully connected layers behind the features and in the hash layer, bp elsewhere",
}


def parse_rule_map(text: str) -> dict[str, str]:
    """Return the map that a text means, from patterns of layers' names to names of rules.

    Args:
        text: entries ``pattern=rule`` with commas between them; the first pattern that matches a layer decides.

    Raises:
        UsageError: for an entry of another form, and for a pattern that comes twice.

    Example:
        >>> parse_rule_map("features.*=frsf,*=bp")
        {'features.*': 'frsf', '*': 'bp'}
    """
    return parse_entries(text, "rule map", "pattern=rule")


def canonical(text: str) -> str:
    """Return a rule, ``preset:rule`` or map without the blanks around its parts: what means the same is written the same.

    Raises:
        UsageError: for a malformed map.

    Example:
        >>> canonical(" features.* = frsf , *=bp"), canonical("classifier-only: fa")
        ('features.*=frsf,*=bp', 'classifier-only:fa')
    """
    if "=" in text:
        return ",".join(f"{pattern}={rule}" for pattern, rule in parse_rule_map(text).items())
    return ":".join(part.strip() for part in text.split(":", 1))


def rules_named(text: str) -> list[str]:
    """Return the names of the rules in a text: a rule, ``preset:rule`` or a map.

    Raises:
        UsageError: for an unknown preset or one without a rule, or a malformed map.

    Example:
        >>> rules_named("fa"), rules_named("classifier-only:fa"), rules_named("features.*=frsf,*=bp")
        (['fa'], ['fa'], ['frsf', 'bp'])
    """
    if "=" in text:
        return list(dict.fromkeys(parse_rule_map(text).values()))
    preset, colon, rule = text.partition(":")
    if text in PRESETS or (preset in PRESETS and not rule):
        raise UsageError(f"the preset {preset!r} wants a rule behind it: '{preset}:fa', for example")
    if not colon:
        return [text]
    if preset not in PRESETS:
        guess = nearest(preset, PRESETS)
        hint = f": did you mean {guess!r}? " if guess else ". "
        raise UsageError(f"unknown preset {preset!r} of rules{hint}Known: {', '.join(PRESETS)}")
    return [rule]


def rule_map(text: str, layers: Iterable[str]) -> str | dict[str, str]:
    """Return the rule, or the map from patterns to rules, that a text means for a network with a hash layer.

    Args:
        text: a rule, ``preset:rule`` or a map.
        layers: names of the layers, the hash layer's being ``hash_layer``, or beginning so where it has several.

    Example:
        >>> rule_map("classifier-only:fa", ["features.0", "classifier.1", "hash_layer"])
        {'hash_layer': 'fa', 'classifier.*': 'fa', '*': 'bp'}
        >>> rule_map("all-but-hash-layer:usf", ["conv1", "hash_layer"])
        {'hash_layer': 'bp', '*': 'usf'}
        >>> rule_map("all-but-hash-layer:usf", ["conv1", "hash_layer.heads.0.1"])
        {'hash_layer.*': 'bp', '*': 'usf'}
    """
    if "=" in text:
        return parse_rule_map(text)
    preset, colon, rule = text.partition(":")
    if not colon:
        return text
    names = set(layers)
    hash_layer = "hash_layer" if "hash_layer" in names else "hash_layer.*"
    if preset == "all-but-hash-layer":
        return {hash_layer: "bp", "*": rule}
    classifier = {"classifier.*": rule} if any(name.startswith("classifier.") for name in names) else {}
    return {hash_layer: rule, **classifier, "*": "bp"}
