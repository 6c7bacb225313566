"""Which layer gets which rule: names, rules, and maps from patterns of layers' names to rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

import torch
from torch import Tensor

from ..errors import RuleError, nearest
from ..parsing import parse_entries
from ._rule import RULES, BroadcastRule, LearningRule, Rule

RuleOrMap = str | LearningRule | Mapping[str, str | LearningRule]


def assign_rules(rule: RuleOrMap, known: Mapping[str, str], others: Mapping[str, str]) -> tuple[dict[str, LearningRule], set[str]]:
    """Return the rule of every layer, and the names of the other parameters that are given to a rule with exact gradients.

    Args:
        rule: a rule, its name, a map from patterns to either, or such a map as text ("features.*=frsf,*=bp").
        known: the layers' dotted names, and the names that patterns are matched with.
        others: likewise for the parameters that no rule but an exact one can be given to; they need not be matched.

    Raises:
        UnknownNameError: for a rule that nobody registered.
        RuleError: for a pattern without effect, and for a layer that no pattern matches.
    """
    if isinstance(rule, str) and "=" in rule:
        rule = parse_entries(rule, "rule map", "pattern=rule")
    if not isinstance(rule, Mapping):
        everywhere = as_rule(rule)
        return dict.fromkeys(known, everywhere), set(others) if everywhere.exact else set()
    for key in rule:
        if not isinstance(key, str):
            raise RuleError(f"{key!r} in the rule map is no pattern: write the layer's name as text, {str(key)!r}")
    rules = {pattern: as_rule(value) for pattern, value in rule.items()}
    assigned: dict[str, LearningRule] = {}
    used = set()
    names = list(known.values())
    for name, shown in known.items():
        pattern = next((pattern for pattern in rules if fnmatchcase(shown, pattern)), None)
        if pattern is not None:
            assigned[name] = rules[pattern]
            used.add(pattern)
    exact = set()
    for name, shown in others.items():
        pattern = next((pattern for pattern in rules if fnmatchcase(shown, pattern) or fnmatchcase(name, pattern)), None)
        if pattern is not None and rules[pattern].exact:
            exact.add(name)
            used.add(pattern)
    for pattern in rules:
        if pattern not in used and pattern != "*":
            raise RuleError(_useless(pattern, rules[pattern], rules, names, list(others.values())))
    left = [shown for name, shown in known.items() if name not in assigned]
    if left:
        some = ", ".join(map(repr, left[:3])) + (", ..." if len(left) > 3 else "")
        raise RuleError(f"the rule map says nothing about {len(left)} of {len(names)} layers ({some}): end it with '*=bp', or another rule")
    return assigned, exact


def _useless(pattern: str, rule: LearningRule, rules: Mapping[str, LearningRule], names: Sequence[str], others: Sequence[str]) -> str:
    matched = [name for name in names if fnmatchcase(name, pattern)]
    if matched:
        earlier = next(other for other in rules if fnmatchcase(matched[0], other))
        return f"pattern {pattern!r} for rule {rule.name!r} never applies: {earlier!r} before it takes {matched[0]!r} already"
    beside = next((name for name in others if fnmatchcase(name, pattern)), None)
    if beside is not None:
        return f"pattern {pattern!r} for rule {rule.name!r} matches only {beside!r}, which is in no layer: it can be given to 'bp' alone"
    groups = {group for name in names if "." in name for group in (name.partition(".")[0], name.rpartition(".")[0])}
    starts = {*names, *groups, *(f"{group}.*" for group in groups)}
    guess = nearest(pattern, starts)
    hint = f": did you mean {guess!r}? " if guess else ". "
    return f"pattern {pattern!r} for rule {rule.name!r} matches no layer{hint}The layers are {', '.join(names)}"


def as_rule(rule: str | LearningRule) -> LearningRule:
    """Return a rule that is certain to answer with what is expected of it."""
    if isinstance(rule, str):
        rule = RULES[rule]()
    if isinstance(rule, Rule):
        return _checked(rule)
    if isinstance(rule, BroadcastRule):
        return rule
    raise RuleError(f"{rule!r} is no learning rule: give a name ({', '.join(RULES)}), a Rule object or a map from patterns to rules")


def _checked(rule: Rule) -> Rule:
    block = torch.ones(2, 3)
    answer = rule.feedback(block, rule.prepare(block) if rule.draws_matrix else None, 1.0)
    if not isinstance(answer, Tensor) or answer.shape != block.shape:
        shape = tuple(answer.shape) if isinstance(answer, Tensor) else repr(answer)
        raise RuleError(f"rule {rule.name!r} answers a weight of shape (2, 3) with {shape}: feedback() returns a matrix of the same shape")
    return rule
