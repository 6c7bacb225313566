"""A comparison: groups of runs, and one table of what they reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from ..significance.over_seeds import BASELINE, FROZEN, holm, paired_difference, spread
from .groups import ComparisonGroup, describe_difference, describe_spread
from .run_record import BITS, MODEL

DIFFERENCES = {  # what a difference to each reference is called in the table: mean, interval, pairs, p; p_holm comes from p
    BASELINE: ("difference_to_bp", "interval_low", "interval_high", "n_pairs", "p"),
    FROZEN: ("difference_to_frozen", "interval_low_frozen", "interval_high_frozen", "n_pairs_frozen", "p_frozen"),
}
_REALS = ("mean", "sd", "lowest", "highest", *(name for names in DIFFERENCES.values() for name in names if not name.startswith("n_")))


@dataclass(frozen=True)
class Comparison:
    """Runs of an experiment side by side.

    Args:
        name: what is compared, in words.
        groups: the runs, by settings; at least one group.
        metric: the metric that rules are ordered, drawn and compared with the baseline by, as MLflow names it.
        columns: heading and metric of the columns of means; that metric is among them.
        notes: what must be stated beside the tables.
        per_rule: settings that every rule has its own value of.
    """

    name: str
    groups: Sequence[ComparisonGroup]
    metric: str
    columns: Mapping[str, str]
    notes: Sequence[str] = ()
    per_rule: Sequence[str] = ()

    @property
    def title(self) -> str:
        """One line."""
        return f"{self.name}: {'methods' if self.several_methods else 'learning rules'} compared"

    @property
    def several_methods(self) -> bool:
        """Whether the runs are of several methods."""
        return MODEL in self.groups[0].settings

    @property
    def has_floor(self) -> bool:
        """Whether frozen runs stand beside rules, which are compared with them as well."""
        return any(FROZEN in group.runs and len(group.runs) > 1 for group in self.groups)

    def values_of(self, number: int, rule: str) -> list[str]:
        """Return what a rule of a group, given by its number, has of the settings that every rule has its own value of."""
        run = next(iter(self.groups[number].runs[rule].values()))
        return [run.settings.get(name, "-") for name in self.per_rule]

    @cached_property
    def settings(self) -> pd.DataFrame:
        """Settings and split of every group; NaN where a method has no such setting."""
        return pd.DataFrame([group.settings for group in self.groups]).assign(split=[group.split for group in self.groups])

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row per group (its number), rule and metric, in their order.

        ``values`` and ``pairs`` hold the metric and the difference to the baseline by seed, ``text`` and ``difference`` their means
        as people write them, ``difference_from_frozen`` that to frozen runs; what does not exist, as the interval of a single seed, is
        NaN. The tests of rules against the baseline are adjusted for their number; frozen runs are no rule.
        """
        rows = [
            {"group": number, "rule": rule, "metric": metric} | _statistics(group, rule, metric)
            for number, group in enumerate(self.groups)
            for rule in group.runs
            for metric in self.columns.values()
        ]
        table = pd.DataFrame(rows).astype({"n_pairs": "Int64", "n_pairs_frozen": "Int64"} | dict.fromkeys(_REALS, "float"))
        tests, of_one = table[["p", "p_frozen"]].mask(table["rule"] == FROZEN), [table["group"], table["metric"]]
        return table.assign(
            p_holm=tests["p"].groupby(of_one).transform(_adjusted), p_holm_frozen=tests["p_frozen"].groupby(of_one).transform(_adjusted)
        )

    @property
    def compared(self) -> pd.DataFrame:
        """The rows of the table with the metric that rules are compared by."""
        return self.table[self.table["metric"] == self.metric]

    @cached_property
    def by_bits(self) -> list[tuple[str, pd.DataFrame]]:
        """Groups that differ in the number of bits only: the settings that they share, and their rows by rule and rising bits.

        A group that differs from all others in more is left out.
        """
        rest = [name for name in self.settings if name != BITS]
        panels = []
        for _, some in self.settings.groupby(rest, sort=False, dropna=False):
            if len(some) > 1:
                first = self.groups[some.index[0]]
                title = ", ".join(part for part in first.title.split(", ") if part != f"{first.settings[BITS]} bits")
                rows = self.compared.dropna(subset="mean").join(some, on="group", how="inner").astype({BITS: int})
                rules = rows.sort_values(BITS, kind="stable").groupby("rule", sort=False)
                panels.append((title, pd.concat(part for _, part in rules)))
        return panels


def _statistics(group: ComparisonGroup, rule: str, metric: str) -> dict[str, Any]:
    """Return what the seeds of a rule reached, and how far they are from the baseline and from frozen runs."""
    values, baseline, frozen = (
        {seed: run.metrics[metric] for seed, run in sorted(group.runs.get(name, {}).items()) if metric in run.metrics}
        for name in (rule, BASELINE, FROZEN)
    )
    others = {} if rule == BASELINE else baseline
    found = spread([*values.values()]) if values else None
    return {
        "values": values,
        "pairs": {seed: value - others[seed] for seed, value in values.items() if seed in others},
        "n_seeds": len(values),
        "seeds": " ".join(map(str, values)),
        "mean": found.mean if found else None,
        "sd": found.sd if found else None,
        "lowest": min(values.values(), default=None),
        "highest": max(values.values(), default=None),
        "text": describe_spread(found),
        **_difference(rule, values, others, BASELINE),
        **_difference(rule, values, {} if rule == FROZEN else frozen, FROZEN),
    }


def _difference(rule: str, values: Mapping[int, float], others: Mapping[int, float], reference: str) -> dict[str, Any]:
    difference = paired_difference(values, others)
    numbers = astuple(difference) if difference else [None] * 5
    text = "difference" if reference == BASELINE else f"difference_from_{reference}"
    return {text: describe_difference(difference, rule, reference), **dict(zip(DIFFERENCES[reference], numbers, strict=True))}


def _adjusted(p: pd.Series) -> pd.Series:
    return pd.Series(holm(p.dropna().to_dict()), dtype="float64").reindex(p.index)
