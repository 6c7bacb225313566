"""A comparison: groups of runs, and one table of what they reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from ..significance.over_seeds import BASELINE, holm, paired_difference, spread
from .groups import BITS, MODEL, ComparisonGroup, describe_difference, describe_spread

_DIFFERENCE = ("difference_to_bp", "interval_low", "interval_high", "n_pairs", "p")
_REALS = ("mean", "sd", "lowest", "highest", "difference_to_bp", "interval_low", "interval_high", "p")


@dataclass(frozen=True)
class Comparison:
    """Runs of an experiment side by side.

    Args:
        name: what is compared, in words.
        groups: the runs, by settings; at least one group.
        metric: the metric that rules are ordered, drawn and compared with the baseline by, as MLflow names it.
        columns: heading and metric of the columns of means; that metric is among them.
        notes: what must be stated beside the tables.
    """

    name: str
    groups: Sequence[ComparisonGroup]
    metric: str
    columns: Mapping[str, str]
    notes: Sequence[str] = ()

    @property
    def title(self) -> str:
        """One line."""
        return f"{self.name}: {'methods' if self.several_methods else 'learning rules'} compared"

    @property
    def several_methods(self) -> bool:
        """Whether the runs are of several methods."""
        return MODEL in self.groups[0].settings

    @cached_property
    def settings(self) -> pd.DataFrame:
        """Settings and split of every group; NaN where a method has no such setting."""
        return pd.DataFrame([group.settings for group in self.groups]).assign(split=[group.split for group in self.groups])

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row per group (its number), rule and metric, in their order.

        ``values`` and ``pairs`` hold the metric and the difference to the baseline by seed, ``text`` and ``difference`` their means
        as people write them; what does not exist, as the interval of a single seed, is NaN.
        """
        rows = [
            {"group": number, "rule": rule, "metric": metric} | _statistics(group, rule, metric)
            for number, group in enumerate(self.groups)
            for rule in group.runs
            for metric in self.columns.values()
        ]
        table = pd.DataFrame(rows).astype({"n_pairs": "Int64"} | dict.fromkeys(_REALS, "float"))
        return table.assign(p_holm=table.groupby(["group", "metric"])["p"].transform(_adjusted))

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
    """Return what the seeds of a rule reached, and how far they are from the baseline."""
    values, baseline = (
        {seed: run.metrics[metric] for seed, run in sorted(group.runs.get(name, {}).items()) if metric in run.metrics}
        for name in (rule, BASELINE)
    )
    others = {} if rule == BASELINE else baseline
    found = spread([*values.values()]) if values else None
    difference = paired_difference(values, others)
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
        "difference": describe_difference(difference, rule),
        **dict(zip(_DIFFERENCE, astuple(difference) if difference else [None] * 5, strict=True)),
    }


def _adjusted(p: pd.Series) -> pd.Series:
    return pd.Series(holm(p.dropna().to_dict()), dtype="float64").reindex(p.index)
