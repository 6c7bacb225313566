"""Learning rules and methods side by side: runs of one method that differ in nothing but rule and seed form a group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan
from statistics import fmean

from ..significance.over_seeds import BASELINE, CONFIDENCE, FROZEN, Difference, Spread
from .choice import choose, sortable, values_of
from .run_record import BITS, IDLE, MODEL, NO_RULE, RunRecord

Key = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ComparisonGroup:
    """Runs that differ in rule and seed only, or also in settings that every rule has its own value of.

    Args:
        title: the settings they share, in a few words.
        settings: all settings they share.
        split: the split all were evaluated on, in words.
        runs: the run of every seed of every rule, the baseline first, then by falling mean.
    """

    title: str
    settings: Mapping[str, str]
    split: str
    runs: Mapping[str, Mapping[int, RunRecord]]

    @property
    def own_title(self) -> str:
        """The title without method and bits."""
        common = (self.settings[MODEL], f"{self.settings[BITS]} bits")
        return ", ".join(part for part in self.title.split(", ") if part not in common)


def build_groups(runs: Sequence[RunRecord], metric: str, per_rule: Sequence[str] = ()) -> tuple[list[ComparisonGroup], list[str]]:
    """Group runs that differ in rule and seed only.

    A frozen run joins every group that it differs from in nothing but what means nothing to it.

    Args:
        runs: the runs, newest first.
        metric: the metric that orders the rules.
        per_rule: settings that every rule has its own value of, which :func:`~biodeephashing.eval.comparison.choice.choose` chooses.

    Returns:
        The groups, and a remark on every run that was left out because a newer one has the same rule and seed, and on every choice.

    Raises:
        RunError: where nothing can be chosen.
    """
    by_settings: dict[Key, list[RunRecord]] = {}
    for run in sorted(runs, key=lambda run: run.rule == FROZEN):
        floor_of = [key for key in by_settings if run.rule == FROZEN and _key_of_frozen(key) == _key(run, per_rule)]
        for key in floor_of or [_key(run, per_rule)]:
            by_settings.setdefault(key, []).append(run)
    counted = [_counted(some, per_rule) for some in by_settings.values()]
    groups = [_group(rules, metric, per_rule) for rules, _, _ in counted]
    titles = _titles([{**group.settings, "split": group.split} for group in groups])
    remarks = [remark for _, doubles, _ in counted for remark in doubles]
    ordered = sorted(zip(titles, groups, counted, strict=True), key=lambda one: [sortable(part.strip(",")) for part in one[0].split()])
    for title, _, (_, _, choices) in ordered:
        remarks += [f"{title}: {choice}" if len(groups) > 1 else choice for choice in choices]
    return [replace(group, title=title) for title, group, _ in ordered], [*dict.fromkeys(remarks)]


def describe_difference(difference: Difference | None, rule: str, reference: str = BASELINE) -> str:
    """Return a difference to the baseline, or to frozen runs, with its interval as text.

    Example:
        >>> describe_difference(Difference(-0.01, -0.02, 0.0, 3, 0.05), "fa")
        '-0.0100 [-0.0200, +0.0000]'
    """
    if rule == reference:
        return {BASELINE: "baseline", FROZEN: "floor"}[reference]
    if rule == NO_RULE:
        return NO_RULE
    if difference is None:
        return f"no {reference} with these seeds"
    if difference.low is None:
        return f"{difference.mean:+.4f} (interval needs 2 seeds)"
    return f"{difference.mean:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}]"


def describe_p(p: float | None) -> str:
    """Return a p as text; None and NaN are none.

    Example:
        >>> describe_p(0.0312), describe_p(3e-7), describe_p(None)
        ('0.0312', '< 0.0001', '-')
    """
    if p is None or isnan(p):
        return "-"
    return f"{p:.4f}" if p >= 1e-4 else "< 0.0001"


def describe_spread(value: Spread | None) -> str:
    """Return a mean and its standard deviation as text.

    Example:
        >>> describe_spread(Spread(0.6, 0.1414, 2)), describe_spread(Spread(0.5, None, 1))
        ('0.6000 ± 0.1414', '0.5000')
    """
    if value is None:
        return "-"
    return f"{value.mean:.4f}" + (f" ± {value.sd:.4f}" if value.sd is not None else "")


def difference_header(reference: str = BASELINE) -> str:
    """Return the heading of the column of differences to the baseline, or to frozen runs."""
    return f"difference to {reference} [{CONFIDENCE:.0%} interval]"


def _key(run: RunRecord, per_rule: Sequence[str]) -> Key:
    return *sorted((name, value) for name, value in run.settings.items() if name not in per_rule), ("split", run.split)


def _key_of_frozen(key: Key) -> Key:
    """Return the key of the frozen runs that are the floor of a group."""
    return tuple(pair for pair in key if pair[0] not in IDLE)


def _counted(runs: Sequence[RunRecord], per_rule: Sequence[str]) -> tuple[dict[str, dict[int, RunRecord]], list[str], list[str]]:
    """Return the runs of a group that count, by rule and seed, and remarks on doubles and on choices."""
    newest: dict[str, dict[tuple[int, tuple[str, ...]], RunRecord]] = {}
    doubles, choices = [], []
    for run in runs:
        if newest.setdefault(run.rule, {}).setdefault((run.seed, values_of(run, per_rule)), run) is not run:
            doubles.append(f"two runs of {run.rule} with seed {run.seed} and equal settings: the newer one counts")
    counted = {}
    for rule, some in newest.items():
        choice = choose([*some.values()], per_rule)
        if choice is not None:
            choices.append(choice.describe(rule))
        counted[rule] = {seed: run for (seed, values), run in some.items() if choice is None or values == choice.best}
    return counted, doubles, choices


def _group(rules: Mapping[str, Mapping[int, RunRecord]], metric: str, per_rule: Sequence[str]) -> ComparisonGroup:
    def order(rule: str) -> tuple[bool, float, str]:
        values = [run.metrics[metric] for run in rules[rule].values() if metric in run.metrics]
        return rule != BASELINE, -fmean(values) if values else 0.0, rule

    first = next(iter(next(iter(rules.values())).values()))
    settings = {name: value for name, value in first.settings.items() if name not in per_rule}
    return ComparisonGroup("", settings, first.split, {rule: rules[rule] for rule in sorted(rules, key=order)})


def _titles(settings: Sequence[Mapping[str, str]]) -> list[str]:
    """Return a title for each group: method, loss, architecture and bits where it has them, and what else differs within its method."""
    always = (MODEL, "loss", "architecture", BITS)
    titles = []
    for own in settings:
        alike = [other for other in settings if other.get(MODEL) == own.get(MODEL)]
        parts = [f"{own[name]} bits" if name == BITS else own[name] for name in always if name in own]
        for name in (name for name in own if name not in always):
            others = settings if name.startswith("split") else alike  # metrics on two splits are never of one kind
            if own[name] and len({other.get(name) for other in others}) > 1:
                parts.append(f"{name.replace('_', ' ')} {own[name]}")
        titles.append(", ".join(parts))
    return titles
