"""The learning rules of a run, with the constants that it sets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields

from ..bio import RULES, LearningRule
from ..errors import unknown_name
from ..settings import TrainingSettings
from ..settings.constants import parse_constants
from ..settings.rule_maps import rule_map


def rules_of(settings: TrainingSettings, layers: Iterable[str]) -> LearningRule | dict[str, LearningRule]:
    """Return the rule of a run, or its map from patterns to rules, each with those of ``-rule_constants`` that it has.

    Args:
        settings: the run's settings.
        layers: names of the layers, the hash layer's being ``hash_layer``.

    Raises:
        UnknownNameError: for a constant that no rule of the run has; the message proposes the nearest.
        RuleError: for a value that a rule rejects.

    Example:
        >>> settings = TrainingSettings(architecture="bio-lenet", mode="*.0=wm,*=fa", rule_constants="rate=0.2")
        >>> rules_of(settings, ["features.0", "hash_layer"])
        {'*.0': WeightMirror(rate=0.2, samples=128), '*': FeedbackAlignment()}
    """
    named = rule_map(settings.mode, layers)
    constants, names = parse_constants(settings.rule_constants), [named] if isinstance(named, str) else list(named.values())
    own = {name: [field.name for field in fields(RULES[name])] for name in names}
    known = {constant for some in own.values() for constant in some}
    for constant in constants:
        if constant not in known:
            raise unknown_name(f"constant of the rules of {settings.flag('mode')} {settings.mode}", constant, known)
    rules = {name: RULES[name](**{key: value for key, value in constants.items() if key in own[name]}) for name in own}
    return rules[named] if isinstance(named, str) else {pattern: rules[name] for pattern, name in named.items()}
