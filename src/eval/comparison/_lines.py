"""Figures of a line per rule, the mean of its seeds: training curves, code lengths, precision and recall."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ..figures.style import LONGEST, heading, legend, legend_height, page, pen_of, place_of, shortened
from ..records.metric_names import parse_metric, words_of
from ._captions import BAND, TRAINING_BAND, seeds, splits, state, validated
from .comparison import Comparison
from .run_record import BITS

MARKED = 2  # the radius that has a dot: precision within it is what hash tables are judged by
_CURVES = {"val_mAP": "mAP of the validation fold", "train_loss": "training loss"}
_ACROSS = 3  # most panels side by side
_CLOSEST = 0.05  # of the axis: numbers of bits that lie closer would be written over each other


def draw_curves(file: Path, comparison: Comparison) -> bool:
    """Draw val mAP and training loss against epochs; a row of panels per group. Nothing where no run was trained in epochs."""
    groups = [group for group in comparison.groups if any(run.curves for runs in group.runs.values() for run in runs.values())]
    if not groups:
        return False
    caption = f"{TRAINING_BAND} Validation mAP: {validated(groups)}, tie rule expected, whole ranking. {splits(groups)}"
    rules = [rule for group in groups for rule in group.runs]
    with _page(file, 3.1 * len(groups) + 0.2, f"{comparison.name}: training curves", caption, rules) as figure:
        panels = figure.subplots(len(groups), 2, squeeze=False)
        for row, group in zip(panels, groups, strict=True):
            row[0].set_title(group.title)
            for axes, (name, words) in zip(row, _CURVES.items(), strict=True):
                for rule, runs in group.runs.items():
                    points = by_seed(run.curves.get(name, ()) for run in runs.values())
                    draw_band(axes, points.set_axis(points.index + 1), pen_of(rule))
                axes.set_ylabel(words)
                axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        for axes in panels[-1]:
            axes.set_xlabel("epoch")
    return True


def draw_code_lengths(file: Path, comparison: Comparison) -> bool:
    """Draw the metric against the number of bits; a panel per remaining setting. Nothing where no groups differ in the bits only."""
    tables = comparison.by_bits
    if not tables:
        return False
    every = pd.concat(rows for _, rows in tables)
    alone = len(comparison.groups) - every["group"].nunique()
    left_out = f" Left out: {alone} settings with one number of bits only." if alone else ""
    caption = f"{BAND} {seeds(every['n_seeds'])}{left_out} {state(comparison.metric)} {splits(comparison.groups)}"
    down = -(-len(tables) // _ACROSS)
    across = -(-len(tables) // down)
    places = _places(sorted(every[BITS].unique()))
    with _page(file, 2.9 * down + 0.2, f"{comparison.name}: mAP against the number of bits", caption, every["rule"]) as figure:
        panels = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
        for axes, (title, rows) in zip(panels.flat, tables, strict=False):
            for rule, some in rows.groupby("rule", sort=False):
                points = pd.DataFrame([*some["values"]], index=some[BITS].map(places))
                draw_band(axes, points, pen_of(rule), marker="o")
            axes.set(title=heading(title, int(85 / across)), xlabel="bits")
            axes.set_xticks([*places.values()], [*map(str, places)])
            axes.tick_params(labelbottom=True)
        for axes in panels.flat[len(tables) :]:
            axes.remove()
        for axes in panels[:, 0]:
            axes.set_ylabel(heading(words_of(comparison.metric), 34))
    return True


def draw_retrieval(file: Path, comparison: Comparison) -> bool:
    """Draw precision against recall by radius and precision of the first N; a row of panels per group. Nothing where nobody asked."""
    found = {
        number: {rule: known for rule, runs in group.runs.items() if (known := [run.retrieval for run in runs.values() if run.retrieval])}
        for number, group in enumerate(comparison.groups)
    }
    found = {number: rules for number, rules in found.items() if rules}
    if not found:
        return False
    groups = [comparison.groups[number] for number in found]
    counts = [len(known) for rules in found.values() for known in rules.values()]
    every = sum(len(runs) for group in comparison.groups for runs in group.runs.values())
    partly = f" Drawn: {sum(counts)} of {every} runs; the others were evaluated without -make_plots." if sum(counts) < every else ""
    caption = (
        f"Left: the items within each Hamming radius from 0 upwards; dots: radius {MARKED}. Right: the first N items, tied ones in every "
        "order (tie rule expected). Means over all queries; one that finds nothing, or has nothing to find, counts as 0. Lines: mean "
        f"over seeds; bands: from the lowest to the highest precision at a radius or an N. {seeds(counts)}{partly} {splits(groups)}"
    )
    title = f"{comparison.name}: precision and recall, {parse_metric(comparison.metric)[0]} fold"
    with _page(file, 3.2 * len(found) + 0.2, title, caption, (rule for rules in found.values() for rule in rules)) as figure:
        panels = figure.subplots(len(found), 2, squeeze=False, sharey=True)
        for (left, right), group, rules in zip(panels, groups, found.values(), strict=True):
            for rule, known in rules.items():
                precision, recall = by_seed(one.precision for one in known), by_seed(one.recall for one in known).mean(axis=1)
                draw_band(left, precision.set_axis(recall), pen_of(rule))
                marked = recall.index == MARKED
                left.scatter(recall[marked], precision[marked].mean(axis=1), s=34, color=pen_of(rule)["color"], edgecolor="white", zorder=4)
                draw_band(right, by_seed(one.precision_at for one in known), pen_of(rule))
            left.set(title=group.title, xlim=(-0.02, 1.02), ylabel="precision", xlabel="recall, by Hamming radius")
            right.set(xscale="log", xlim=(0.92, max(2.0, 1.1 * right.dataLim.x1)), xlabel="N, the first items of the ranking")
            right.xaxis.set_major_formatter("{x:,.0f}")
        panels[0, 0].set_ylim(0, 1.06 * max(0.01, *(axes.dataLim.y1 for axes in panels.flat)))
    return True


def by_seed(curves: Iterable[Sequence[tuple[int, float]]]) -> pd.DataFrame:
    """Return the places of all curves in a row each, and a column of values per curve that is not empty, NaN where it has none."""
    return pd.DataFrame({number: dict(curve) for number, curve in enumerate(curves) if curve}).sort_index()


def draw_band(axes: Any, points: pd.DataFrame, pen: Any, marker: str | None = None) -> None:
    """Draw the mean of some seeds as a line, and from the lowest to the highest as a band; a lone point has a dot.

    Args:
        axes: the panel.
        points: a row per place, a column per seed, NaN where a seed has none.
        pen: color and style of the line.
        marker: what stands at every point.
    """
    lone = len(points) == 1
    axes.plot(points.index, points.mean(axis=1), marker="o" if lone else marker, zorder=3, **pen)
    low, high = points.min(axis=1), points.max(axis=1)
    axes.fill_between(points.index, low, high, color=pen["color"], alpha=0.17, linewidth=1.5 if lone else 0)


@contextmanager
def _page(file: Path, height: float, title: str, caption: str, rules: Iterable[str]) -> Iterator[Any]:
    """Open a page as :func:`page` does, with a legend of some rules above its panels."""
    names = {rule: shortened(rule, LONGEST) for rule in sorted(set(rules), key=place_of)}
    handles = [Line2D([], [], label=name, **pen_of(rule)) for rule, name in names.items()]
    with page(file, height + legend_height(handles), title, caption) as figure:
        legend(figure, handles)
        yield figure


def _places(lengths: Sequence[int]) -> dict[int, float]:
    """Return where numbers of bits stand: spaced as their logarithms, or evenly where these lie too close to be read."""
    logarithms = np.log2(lengths)
    steps = np.diff(logarithms)
    places = logarithms if steps.min() >= _CLOSEST * steps.sum() else np.arange(len(lengths), dtype=np.float64)
    return dict(zip(lengths, places.tolist(), strict=True))
