"""Figures of the seeds of each rule: bars and differences of a metric, and training curves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from ..figures.style import FAINT_INK, INK, LONGEST, aligned, colour_of, draw_band, page, page_of_rules, place_of, quiet, save, shortened
from ..records.metric_names import words_of
from ..significance.over_seeds import BASELINE
from .groups import NO_RULE, ComparisonGroup, describe_spread

_GAP = 0.5  # inches between the panels of two groups
_CURVES = {"val_mAP": "mAP of the validation fold", "train_loss": "training loss"}


def draw_bars(file: Path, groups: Sequence[ComparisonGroup], metric: str, title: str, caption: str) -> None:
    """Draw a bar per rule with its seeds and, beside it, the difference to the baseline; a row of panels per group.

    Args:
        file: the PNG to write.
        groups: what to draw.
        metric: the metric of the bars.
        title: one line.
        caption: everything that must be stated beside the numbers.
    """
    heights = [0.42 * len(group.runs) + _GAP for group in groups]
    figure, place = page(11.0, sum(heights) - _GAP + 0.25, title, caption, head=0.85)
    labels = [f"{shortened(rule, LONGEST)} ({len(group.values(rule, metric))})" for group in groups for rule in group.runs]
    place["left"] = max(place["left"], (0.3 + 0.075 * max(map(len, labels))) / 11.0)
    place |= {"wspace": 0.06, "hspace": _GAP * len(heights) / (sum(heights) - _GAP * len(heights))}
    rows = figure.subplots(
        len(groups), 2, squeeze=False, sharex="col", width_ratios=[1.75, 1], height_ratios=[h - _GAP for h in heights], gridspec_kw=place
    )
    for (left, right), group in zip(rows, groups, strict=True):
        _bars_of(left, group, metric)
        _differences_of(right, group, metric)
    rows[-1][0].set_xlabel(words_of(metric))
    rows[-1][1].set_xlabel(f"difference to {BASELINE}, paired by seed")
    save(figure, file)


def draw_curves(file: Path, groups: Sequence[ComparisonGroup], title: str, caption: str) -> None:
    """Draw val mAP and training loss against epochs, a line per rule with a band over its seeds; a row per group.

    Args:
        file: the PNG to write.
        groups: what to draw.
        title: one line.
        caption: what the lines and bands are.
    """
    rules = sorted({rule for group in groups for rule in group.runs}, key=place_of)
    figure, place = page_of_rules(10.0, 3.3 * len(groups), title, caption, rules)
    rows = figure.subplots(len(groups), 2, squeeze=False, gridspec_kw=place | {"wspace": 0.24, "hspace": 0.36})
    for row, group in zip(rows, groups, strict=True):
        for axes, (name, words) in zip(row, _CURVES.items(), strict=True):
            _curves_of(axes, group, name)
            axes.set_ylabel(words)
        row[0].set_title(group.title, loc="left", fontsize=9.5, color=INK, pad=8)
    for axes in rows[-1]:
        axes.set_xlabel("epoch")
    save(figure, file)


def _bars_of(axes: Any, group: ComparisonGroup, metric: str) -> None:
    for place, rule in enumerate(group.runs):
        value = group.spread(rule, metric)
        if value is None:
            continue
        seeds = list(group.values(rule, metric).values())
        axes.barh(place, value.mean, height=0.62, color=colour_of(rule), alpha=0.85, zorder=2)
        if value.sd is not None:
            axes.errorbar(value.mean, place, xerr=value.sd, color=INK, capsize=3.5, elinewidth=1.2, capthick=1.2, zorder=3)
        axes.scatter(seeds, place + _apart(len(seeds)), s=16, color="white", edgecolor=INK, linewidth=0.8, zorder=4)
        end = max(*seeds, value.mean + (value.sd or 0.0))
        axes.annotate(
            describe_spread(value), (end, place), (7, 0), textcoords="offset points", va="center", fontsize=9, color=INK,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0},
        )  # fmt: skip
    axes.set_yticks(range(len(group.runs)), [f"{shortened(rule, LONGEST)} ({len(group.values(rule, metric))})" for rule in group.runs])
    axes.set_title(group.title, loc="left", fontsize=9.5, color=INK, pad=6)
    axes.set_xlim(0, 1.27)  # from 0, as bars must; the room beyond 1 is for the numbers
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.set_ylim(len(group.runs) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    quiet(axes, "x")


def _differences_of(axes: Any, group: ComparisonGroup, metric: str) -> None:
    baseline = group.values(BASELINE, metric) if BASELINE in group.runs else {}
    axes.axvline(0, color=colour_of(BASELINE), linewidth=1.4, zorder=1)
    for place, rule in enumerate(group.runs):
        found = group.difference(rule, metric)
        if found is None:
            continue
        if found.low is not None and found.high is not None:
            axes.plot([found.low, found.high], [place, place], color=colour_of(rule), linewidth=3.2, solid_capstyle="butt", zorder=2)
        axes.scatter(found.mean, place, s=52, marker="D", color=colour_of(rule), zorder=3)
        pairs = [value - baseline[seed] for seed, value in group.values(rule, metric).items() if seed in baseline]
        axes.scatter(pairs, place + _apart(len(pairs)), s=16, color="white", edgecolor=INK, linewidth=0.8, zorder=4)
    if not baseline and NO_RULE not in group.runs:
        axes.text(
            0.5, 0.5, f"no run with {BASELINE}", transform=axes.transAxes, ha="center", va="center", color=FAINT_INK, fontsize=9,
            backgroundcolor="white",
        )  # fmt: skip
    axes.set_yticks([])
    axes.set_ylim(len(group.runs) - 0.5, -0.5)
    axes.margins(x=0.08)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    quiet(axes, "x")


def _curves_of(axes: Any, group: ComparisonGroup, name: str) -> None:
    for rule, runs in group.runs.items():
        epochs, values = aligned([run.curves.get(name, ()) for run in runs.values()])
        if not len(epochs):
            continue
        draw_band(axes, epochs + 1, values, rule)
    last = max((epoch for runs in group.runs.values() for run in runs.values() for epoch, _ in run.curves.get(name, ())), default=0) + 1
    axes.set_xlim(1 - 0.04 * last, last * 1.04)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    quiet(axes, "y")


def _apart(count: int) -> np.ndarray:
    """Return offsets that keep the dots of equal seeds apart."""
    return np.linspace(-0.2, 0.2, count) if count > 1 else np.zeros(count)
