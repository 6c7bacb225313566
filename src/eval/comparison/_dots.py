"""Figures of means with their intervals: every rule beside the others, and several groups at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from ..figures.style import FAINT_INK, INK, LONGEST, colour_of, heading, legend, legend_height, page, pen_of, place_of, shortened
from ..records.metric_names import words_of
from ..significance.over_seeds import BASELINE, FROZEN
from ._captions import splits, state
from .comparison import Comparison
from .run_record import BITS, NO_RULE
from .tables import short_titles, tables_of

_ROW = 0.4  # inches
_FAR = 2  # rules that lie so many spans of all others below them are marked at the edge of a panel
_SPAN = 0.02  # what an axis shows at least: less would make much of nothing
_REFERENCES = {BASELINE: BASELINE, FROZEN: "frozen backbone"}  # whose means are lines, and what they are called
_DIFFERENCES = "Diamonds: mean difference to bp with its 95% interval (Student's t). "


def draw_bars(file: Path, comparison: Comparison) -> bool:
    """Draw mean and seeds of every rule and, where there is a baseline, the differences to it; a row of panels per table."""
    table = comparison.compared.dropna(subset="mean")
    mean, sd = table["mean"], table["sd"]
    means = table.assign(center=mean, low=mean - sd, high=mean + sd, dots=table["values"])
    ends = table[["difference_to_bp", "interval_low", "interval_high", "pairs"]].set_axis(["center", "low", "high", "dots"], axis=1)
    differences = table.join(ends)
    paired = bool(ends["center"].notna().any())
    tables = [(title, table.index[table["group"].isin(numbers)]) for title, _, numbers in tables_of(comparison)]
    shared = _shared(comparison) if comparison.several_methods else []
    tables = [(", ".join([title, *shared]), rows) for title, rows in tables if len(rows)]
    caption = (
        f"Dots: mean over seeds (their number in brackets) ± one standard deviation; white dots: seeds. {_own_values(comparison)}"
        f"{_DIFFERENCES * paired}{state(comparison.metric)} {splits(comparison.groups)}"
    )
    counts = [len(rows) for _, rows in tables]
    ratios = {"height_ratios": counts, "width_ratios": (1.5, 1)[: 1 + paired]}
    lines = [Line2D([], [], label=words, linewidth=1.4, **pen_of(rule)) for rule, words in _REFERENCES.items()]
    one_floor = any(table.loc[rows, "rule"].eq(FROZEN).sum() == 1 for _, rows in tables)
    lines = lines if comparison.has_floor and one_floor else []
    height = _ROW * sum(counts) + 0.45 * len(counts) + 0.5 + (legend_height(lines) if lines else 0.0)
    with page(file, height, comparison.title, caption) as figure:
        panels = figure.subplots(len(tables), 1 + paired, squeeze=False, sharex="col", **ratios)
        start, end = _limits(means)
        start = start if start > 0.2 * end else 0.0
        for axes, (title, rows) in zip(panels[:, 0], tables, strict=True):
            axes.set(title=heading(title, 95), xlim=(start, end))
            _draw_rows(axes, means.loc[rows], "o")
            _draw_references(axes, means.loc[rows])
            _name_rows(axes, means.loc[rows], comparison)
        axes.set_xlabel(words_of(comparison.metric) + (f"\n(axis from {start:.3g})" if start else ""))
        if paired:
            _draw_differences(panels[:, 1], [differences.loc[rows] for _, rows in tables], _limits(differences, 0.0))
        if lines:
            legend(figure, lines)
    return True


def draw_overview(file: Path, comparison: Comparison) -> bool:
    """Draw a line per group with a mark per rule, the best group first; nothing where there is one group."""
    if len(comparison.groups) < 2:
        return False
    table = comparison.compared
    best = table.groupby("group")["mean"].max().fillna(0.0).sort_values(ascending=False, kind="stable")
    titles, rules = short_titles(comparison), sorted(set(table["rule"]), key=place_of)
    caption = (
        "Dots: mean over seeds; lines: ± one standard deviation; the settings whose best rule is best come first. "
        f"{state(comparison.metric)} {splits(comparison.groups)}"
    )
    offsets = dict(zip(rules, np.linspace(-0.27, 0.27, len(rules)) if len(rules) > 1 else [0.0], strict=True))
    handles = [Line2D([], [], marker="o", markersize=5, color=colour_of(rule), label=shortened(rule, LONGEST)) for rule in rules]
    row = max(0.34, 0.05 * len(rules))
    with page(file, row * len(best) + 0.67 + legend_height(handles), comparison.title, caption) as figure:
        axes = figure.subplots()
        for rule, some in table.groupby("rule"):
            lines = some["group"].map(pd.Series(range(len(best)), index=best.index)) + offsets[rule]
            axes.errorbar(some["mean"], lines, xerr=some["sd"].fillna(0.0), fmt="o", markersize=5, color=colour_of(rule), linewidth=1.6)
        axes.set_yticks(range(len(best)), [shortened(_fitted(titles[number], titles, LONGEST), LONGEST) for number in best.index])
        axes.set(ylim=(len(best) - 0.4, -0.6), xlabel=words_of(comparison.metric))
        axes.hlines(np.arange(len(best) - 1) + 0.5, 0, 1, transform=axes.get_yaxis_transform(), color="#EEEEEE", linewidth=0.8, zorder=0)
        _lay_down(axes)
        legend(figure, handles)
    return True


def _limits(rows: pd.DataFrame, *within: float) -> tuple[float, float]:
    """Return where an axis begins and ends: around some values and everything but a few rows that lie far below all others."""
    known = pd.concat([rows[["center", "low", "high"]], pd.DataFrame([*rows["dots"]], index=rows.index)], axis=1)
    ends = pd.DataFrame({"low": known.min(axis=1), "high": known.max(axis=1)}).dropna().sort_values("low")
    lows, highs = np.r_[ends["low"], within], np.r_[ends["high"], within]
    for few in range(len(ends) // 4, 0, -1):
        span = max(highs[few:].max() - lows[few:].min(), _SPAN)
        if lows[few:].min() - highs[:few].max() > _FAR * span:
            lows, highs = lows[few:], highs[few:]
            break
    middle, half = (highs.max() + lows.min()) / 2, 0.56 * max(highs.max() - lows.min(), _SPAN)
    return float(middle - half), float(middle + half)


def _draw_differences(panels: Any, tables: Sequence[pd.DataFrame], limits: tuple[float, float]) -> None:
    for axes, rows in zip(panels, tables, strict=True):
        axes.set_xlim(limits)
        axes.axvline(0, color=colour_of(BASELINE), linewidth=1.4, zorder=1)
        _draw_rows(axes, rows, "D")
        _draw_references(axes, rows)
        axes.set_yticks([])
        if rows["center"].isna().all() and NO_RULE not in set(rows["rule"]):
            axes.text(0.5, 0.5, f"no run with {BASELINE}", transform=axes.transAxes, ha="center", va="center", color=FAINT_INK)
    axes.set_xlabel(f"difference to {BASELINE},\npaired by seed")


def _draw_rows(axes: Any, rows: pd.DataFrame, marker: str) -> None:
    """Draw center, interval and dots of every row, and at the left edge those whose center lies beyond it."""
    start = axes.get_xlim()[0]
    for place, (rule, center, low, high, dots) in enumerate(rows[["rule", "center", "low", "high", "dots"]].itertuples(index=False)):
        if center < start:
            axes.text(0.01, place, f"◂ {center:.4f}", transform=axes.get_yaxis_transform(), va="center", color=colour_of(rule))
            continue
        axes.plot([low, high], [place - 0.1] * 2, color=colour_of(rule), linewidth=2.4, solid_capstyle="butt", zorder=2)
        axes.scatter(center, place - 0.1, s=44, marker=marker, color=colour_of(rule), zorder=3)
        axes.scatter([*dots.values()], [place + 0.22] * len(dots), s=14, color="white", edgecolor=INK, linewidth=0.7, zorder=4)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.locator_params(axis="x", nbins=4)
    _lay_down(axes)


def _draw_references(axes: Any, rows: pd.DataFrame) -> None:
    """Draw the means of the baseline and of frozen runs as lines; of several methods in one panel, each with its own, none."""
    for rule in _REFERENCES:
        center = rows["center"][rows["rule"] == rule].dropna()
        if len(center) == 1 < len(rows):
            axes.axvline(center.item(), linewidth=1.4, zorder=1, **pen_of(rule))


def _own_values(comparison: Comparison) -> str:
    names = " and ".join(comparison.per_rule).replace("_", " ")
    return f"At: {names} of the rule, chosen by mAP of the val fold. " if names else ""


def _name_rows(axes: Any, rows: pd.DataFrame, comparison: Comparison) -> None:
    """Write what each row is to its left, and its mean ± standard deviation to its right."""
    names, titles = [], _without_bits(comparison)
    for number, rule, count in rows[["group", "rule", "n_seeds"]].itertuples(index=False):
        own = [_fitted(titles[number], titles, LONGEST - len(f", {rule}"))] if comparison.several_methods else []
        name = ", ".join(part for part in [*own, rule] if part not in ("", NO_RULE)) or rule
        at = " at " * bool(comparison.per_rule) + ", ".join(comparison.values_of(number, rule))
        names.append(f"{shortened(name, LONGEST)}{at} ({count})")
    axes.set_yticks(range(len(rows)), names)
    right = axes.secondary_yaxis("right")
    right.set_yticks(range(len(rows)), rows["text"])
    right.tick_params(length=0)
    right.spines[:].set_visible(False)


def _shared(comparison: Comparison) -> list[str]:
    """Return the parts of a title that all groups share, but the bits."""
    titles = [group.title.split(", ") for group in comparison.groups]
    return [part for part in titles[0] if all(part in title for title in titles) and not part.endswith(" bits")]


def _without_bits(comparison: Comparison) -> list[str]:
    """Return the short titles of all groups without the bits, which their panel names."""
    bits = [f"{group.settings.get(BITS)} bits" for group in comparison.groups]
    return [", ".join(part for part in title.split(", ") if part != own) for title, own in zip(short_titles(comparison), bits, strict=True)]


def _fitted(title: str, titles: Sequence[str], room: int) -> str:
    """Return a title without as many of its last parts as do not fit, if no other one begins as it does then.

    Example:
        >>> _fitted("CSQ, resnet18, bank True", ["CSQ, resnet18, bank True", "DCH, resnet18"], 16)
        'CSQ, resnet18'
    """
    parts, others = title.split(", "), [other.split(", ") for other in titles if other != title]
    while len(parts) > 1 and len(", ".join(parts)) > room and all(other[: len(parts) - 1] != parts[:-1] for other in others):
        parts.pop()
    return ", ".join(parts)


def _lay_down(axes: Any) -> None:
    """Let the grid and the ticks of a panel be those of rows."""
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
