"""Learning rules and methods side by side: runs of one method that differ in nothing but rule and seed form a group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isnan
from statistics import fmean

from ...runs.alignment_csv import LayerCurves
from ...runs.retrieval_csv import RetrievalCurves
from ..significance.over_seeds import BASELINE, CONFIDENCE, Difference, Spread

Curve = Sequence[tuple[int, float]]
MODEL, BITS = "model", "number_of_bits"  # settings; the first, the method, is there where a comparison has several
NO_RULE = "—"  # the rule of a method that has none


@dataclass(frozen=True)
class RunRecord:
    """One evaluated run.

    Args:
        rule: its learning rule, or :data:`NO_RULE`.
        seed: its seed.
        settings: what must be equal for two runs to be of one group; the method among it where there are several.
        split: the split it was evaluated on, in words.
        metrics: its metrics.
        curves: its training curves, (epoch, value).
        alignment: the curves of its layers, (epochs trained, value), by quantity and layer; empty where nothing was measured.
        retrieval: its precision and recall at every radius and depth; None where nobody asked for them.
    """

    rule: str
    seed: int
    settings: Mapping[str, str]
    split: str
    metrics: Mapping[str, float]
    curves: Mapping[str, Curve]
    alignment: LayerCurves = field(default_factory=dict)
    retrieval: RetrievalCurves | None = None


@dataclass(frozen=True)
class ComparisonGroup:
    """Runs that differ in rule and seed only.

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


def build_groups(runs: Iterable[RunRecord], metric: str) -> tuple[list[ComparisonGroup], list[str]]:
    """Group runs that differ in rule and seed only.

    Args:
        runs: the runs, newest first.
        metric: the metric that orders the rules.

    Returns:
        The groups, and a remark on every run that was left out because a newer one has the same rule and seed.
    """
    by_settings: dict[tuple[tuple[str, str], ...], dict[str, dict[int, RunRecord]]] = {}
    remarks = []
    for run in runs:
        key = (*sorted(run.settings.items()), ("split", run.split))
        seeds = by_settings.setdefault(key, {}).setdefault(run.rule, {})
        if run.seed in seeds:
            remarks.append(f"two runs of {run.rule} with seed {run.seed} and equal settings: the newer one counts")
        else:
            seeds[run.seed] = run
    groups = [_group(rules, metric) for rules in by_settings.values()]
    titles = _titles([{**group.settings, "split": group.split} for group in groups])
    groups = [replace(group, title=title) for group, title in zip(groups, titles, strict=True)]
    return sorted(groups, key=lambda group: [_sortable(part) for part in group.title.split()]), remarks


def describe_difference(difference: Difference | None, rule: str) -> str:
    """Return a difference to the baseline with its interval as text.

    Example:
        >>> describe_difference(Difference(-0.01, -0.02, 0.0, 3, 0.05), "fa")
        '-0.0100 [-0.0200, +0.0000]'
    """
    if rule == BASELINE:
        return "baseline"
    if rule == NO_RULE:
        return NO_RULE
    if difference is None:
        return f"no {BASELINE} with these seeds"
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


def difference_header() -> str:
    """Return the heading of the column of differences."""
    return f"difference to {BASELINE} [{CONFIDENCE:.0%} interval]"


def _group(rules: Mapping[str, Mapping[int, RunRecord]], metric: str) -> ComparisonGroup:
    def order(rule: str) -> tuple[bool, float, str]:
        values = [run.metrics[metric] for run in rules[rule].values() if metric in run.metrics]
        return rule != BASELINE, -fmean(values) if values else 0.0, rule

    first = next(iter(next(iter(rules.values())).values()))
    return ComparisonGroup("", first.settings, first.split, {rule: rules[rule] for rule in sorted(rules, key=order)})


def _titles(settings: Sequence[Mapping[str, str]]) -> list[str]:
    """Return a title for each group: method, loss, architecture and bits where it has them, and what else differs within its method."""
    always = (MODEL, "loss", "architecture", BITS)
    titles = []
    for own in settings:
        alike = [other for other in settings if other.get(MODEL) == own.get(MODEL)]
        parts = [f"{own[name]} bits" if name == BITS else own[name] for name in always if name in own]
        for name in (name for name in own if name not in always):
            others = settings if name.startswith("split") else alike  # metrics on two splits are never of one kind
            if len({other.get(name) for other in others}) > 1:
                parts.append(f"{name.replace('_', ' ')} {own[name]}")
        titles.append(", ".join(parts))
    return titles


def _sortable(part: str) -> tuple[bool, float, str]:
    try:
        return False, float(part.strip(",")), ""
    except ValueError:
        return True, 0.0, part
