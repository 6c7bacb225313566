"""Several groups of a comparison at a glance: a row per group, a column and a colour per learning rule."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.lines import Line2D

from ..figures.style import INK, colour_of, page, place_of, quiet, save, shortened
from ..records.metric_names import words_of
from ..significance.over_seeds import Spread
from .groups import BITS, MODEL, ComparisonGroup, describe_spread, several_methods

_LONGEST = 48  # letters of a row's name that are drawn


def overview(groups: Sequence[ComparisonGroup], metric: str) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of a table: mean ± standard deviation of every group and rule, the best group first.

    Of several methods there is a row per method, settings and rule, and a column per number of bits.

    Args:
        groups: what to tell of.
        metric: the metric of the cells.
    """
    if several_methods(groups):
        return _by_bits(groups, metric)
    rules = _rules(groups)
    names = short_titles(groups)
    rows = [
        [name, *(describe_spread(group.spread(rule, metric)) if rule in group.runs else "-" for rule in rules)]
        for name, group in _ordered(names, groups, metric)
    ]
    return ["settings", *rules], rows


def _by_bits(groups: Sequence[ComparisonGroup], metric: str) -> tuple[list[str], list[list[str]]]:
    rows: dict[tuple[str, str, str], dict[int, Spread]] = {}
    for group in groups:
        for rule in group.runs:
            if value := group.spread(rule, metric):
                rows.setdefault((group.settings[MODEL], group.own_title, rule), {})[int(group.settings[BITS])] = value
    lengths = sorted({bits for cells in rows.values() for bits in cells})
    best = sorted(rows.items(), key=lambda row: -max(value.mean for value in row[1].values()))
    header = ["method", "settings", "rule", *(f"{bits} bits" for bits in lengths)]
    return header, [[*name, *(describe_spread(cells.get(bits)) for bits in lengths)] for name, cells in best]


def short_titles(groups: Sequence[ComparisonGroup]) -> list[str]:
    """Return each group's title without the parts that all titles share."""
    parts = [group.title.split(", ") for group in groups]
    common = set.intersection(*(set(of_one) for of_one in parts)) if len(parts) > 1 else set()
    return [", ".join(part for part in of_one if part not in common) or ", ".join(of_one) for of_one in parts]


def draw_overview(file: Path, groups: Sequence[ComparisonGroup], metric: str, title: str, caption: str) -> None:
    """Draw a line per group with a mark per rule.

    Args:
        file: the PNG to write.
        groups: what to draw.
        metric: the metric of the marks.
        title: one line.
        caption: everything that must be stated beside the numbers.
    """
    rules, rows = _rules(groups), _ordered(short_titles(groups), groups, metric)
    labels = [shortened(name, _LONGEST) for name, _ in rows]
    figure, place = page(9.5, 0.34 * len(rows) + 0.3, title, caption, head=0.95)
    place["left"] = max(place["left"], (0.3 + 0.078 * max(map(len, labels))) / 9.5)
    axes = figure.subplots(gridspec_kw=place)
    for rule, offset in zip(rules, np.linspace(-0.27, 0.27, len(rules)) if len(rules) > 1 else (0.0,), strict=True):
        for line, (_, group) in enumerate(rows):
            value = group.spread(rule, metric) if rule in group.runs else None
            if value is None:
                continue
            if value.sd is not None:
                ends = [value.mean - value.sd, value.mean + value.sd]
                axes.plot(ends, [line + offset] * 2, color=colour_of(rule), linewidth=1.6, zorder=2)
            axes.scatter(value.mean, line + offset, s=26, color=colour_of(rule), zorder=3)
    axes.set_yticks(range(len(rows)), labels)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.hlines(np.arange(len(rows) - 1) + 0.5, 0, 1, transform=axes.get_yaxis_transform(), color="#EEEEEE", linewidth=0.8, zorder=0)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(words_of(metric), color=INK)
    quiet(axes, "x")
    handles = [Line2D([], [], marker="o", linewidth=1.6, color=colour_of(rule), label=shortened(rule, 40)) for rule in rules]
    middle = 1 - 0.66 / figure.get_figheight()
    figure.legend(handles=handles, loc="center left", bbox_to_anchor=(0.022, middle), ncols=min(len(rules), 9), frameon=False, fontsize=9.5)
    save(figure, file)


def _rules(groups: Sequence[ComparisonGroup]) -> list[str]:
    return sorted({rule for group in groups for rule in group.runs}, key=place_of)


def _ordered(names: Sequence[str], groups: Sequence[ComparisonGroup], metric: str) -> list[tuple[str, ComparisonGroup]]:
    def best(group: ComparisonGroup) -> float:
        spreads = [group.spread(rule, metric) for rule in group.runs]
        return max((spread.mean for spread in spreads if spread), default=0.0)

    return sorted(zip(names, groups, strict=True), key=lambda row: -best(row[1]))
