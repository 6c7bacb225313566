"""Pictures of a comparison of learning rules, drawn without any global state."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ...registry import names_on_disk
from ...runs import replacing
from ..comparison.groups import BASELINE, Block, describe_spread
from ..records.metric_names import words_of

# Okabe and Ito's palette, which colour-blind readers can tell apart; dark grey is the baseline's.
_PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#7A5C00", "#8A2BE2")
_PALETTE_OF_MAPS = ("#3B4FA0", "#A63A50", "#2F6B3C", "#8C5A9E", "#B5651D", "#1F7A8C", "#6B6B1F")
_BASELINE_COLOUR = "#3C3C3C"
INK, FAINT_INK, _FAINT = "#222222", "#777777", "#D9D9D9"
RELEVANT, IRRELEVANT = "#009E73", "#D55E00"
_STYLES = ("--", "-.", ":", (0, (6, 1.5, 1, 1.5, 1, 1.5)), "-")
_STYLE_OF_MAPS = (0, (9, 2))
_RULES = [name for name in names_on_disk("bio", "RULES") if name != BASELINE]
_LONGEST = 40  # letters of a rule, or of a map of rules, that are shown
_GAP = 0.5  # inches between the panels of two blocks
_CURVES = {"val_mAP": "mAP of the validation fold", "train_loss": "training loss"}


def colour_of(rule: str) -> str:
    """Return the colour of a learning rule, the same in every picture.

    Example:
        >>> colour_of("bp")
        '#3C3C3C'
    """
    if rule == BASELINE:
        return _BASELINE_COLOUR
    palette = _PALETTE if rule in _RULES else _PALETTE_OF_MAPS
    return palette[_place_of(rule) % len(palette)]


def pen_of(rule: str) -> dict[str, Any]:
    """Return colour and style of a learning rule's lines, the same in every picture.

    Example:
        >>> pen_of("bp")
        {'color': '#3C3C3C', 'linestyle': '-'}
    """
    style = _STYLES[_place_of(rule) % len(_STYLES)] if rule in _RULES else _STYLE_OF_MAPS
    return {"color": colour_of(rule), "linestyle": "-" if rule == BASELINE else style}


def place_of(rule: str) -> tuple[bool, int]:
    """Return what rules are ordered by, the same in every picture: the baseline first.

    Example:
        >>> sorted(["usf", "fa", "bp"], key=place_of)
        ['bp', 'fa', 'usf']
    """
    return rule != BASELINE, _place_of(rule)


def _place_of(rule: str) -> int:
    """Return a number that a rule keeps whatever else is drawn."""
    return _RULES.index(rule) if rule in _RULES else sum(map(ord, rule))


def draw_bars(file: Path, blocks: Sequence[Block], metric: str, title: str, caption: str) -> None:
    """Draw a bar per rule with its seeds and, beside it, the difference to the baseline; a row of panels per block.

    Args:
        file: the PNG to write.
        blocks: what to draw.
        metric: the metric of the bars.
        title: one line.
        caption: everything that must be stated beside the numbers.
    """
    heights = [0.42 * len(block.runs) + _GAP for block in blocks]
    figure, place = page(11.0, sum(heights) - _GAP + 0.25, title, caption, head=0.85)
    labels = [f"{shortened(rule, _LONGEST)} ({len(block.values(rule, metric))})" for block in blocks for rule in block.runs]
    place["left"] = max(place["left"], (0.3 + 0.075 * max(map(len, labels))) / 11.0)
    place |= {"wspace": 0.06, "hspace": _GAP * len(heights) / (sum(heights) - _GAP * len(heights))}
    rows = figure.subplots(
        len(blocks), 2, squeeze=False, sharex="col", width_ratios=[1.75, 1], height_ratios=[h - _GAP for h in heights], gridspec_kw=place
    )
    for (left, right), block in zip(rows, blocks, strict=True):
        _bars_of(left, block, metric)
        _differences_of(right, block, metric)
    rows[-1][0].set_xlabel(words_of(metric))
    rows[-1][1].set_xlabel(f"difference to {BASELINE}, paired by seed")
    save(figure, file)


def draw_curves(file: Path, blocks: Sequence[Block], title: str, caption: str) -> None:
    """Draw val mAP and training loss against epochs, a line per rule with a band over its seeds; a row per block.

    Args:
        file: the PNG to write.
        blocks: what to draw.
        title: one line.
        caption: what the lines and bands are.
    """
    rules = sorted({rule for block in blocks for rule in block.runs}, key=place_of)
    figure, place = page_of_rules(10.0, 3.3 * len(blocks), title, caption, rules)
    rows = figure.subplots(len(blocks), 2, squeeze=False, gridspec_kw=place | {"wspace": 0.24, "hspace": 0.36})
    for row, block in zip(rows, blocks, strict=True):
        for axes, (name, words) in zip(row, _CURVES.items(), strict=True):
            _curves_of(axes, block, name)
            axes.set_ylabel(words)
        row[0].set_title(block.title, loc="left", fontsize=9.5, color=INK, pad=8)
    for axes in rows[-1]:
        axes.set_xlabel("epoch")
    save(figure, file)


def _bars_of(axes: Any, block: Block, metric: str) -> None:
    for place, rule in enumerate(block.runs):
        value = block.spread(rule, metric)
        if value is None:
            continue
        seeds = list(block.values(rule, metric).values())
        axes.barh(place, value.mean, height=0.62, color=colour_of(rule), alpha=0.85, zorder=2)
        if value.sd is not None:
            axes.errorbar(value.mean, place, xerr=value.sd, color=INK, capsize=3.5, elinewidth=1.2, capthick=1.2, zorder=3)
        axes.scatter(seeds, place + _apart(len(seeds)), s=16, color="white", edgecolor=INK, linewidth=0.8, zorder=4)
        end = max(*seeds, value.mean + (value.sd or 0.0))
        axes.annotate(
            describe_spread(value), (end, place), (7, 0), textcoords="offset points", va="center", fontsize=9, color=INK,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0},
        )  # fmt: skip
    axes.set_yticks(range(len(block.runs)), [f"{shortened(rule, _LONGEST)} ({len(block.values(rule, metric))})" for rule in block.runs])
    axes.set_title(block.title, loc="left", fontsize=9.5, color=INK, pad=6)
    axes.set_xlim(0, 1.27)  # from 0, as bars must; the room beyond 1 is for the numbers
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.set_ylim(len(block.runs) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    quiet(axes, "x")


def _differences_of(axes: Any, block: Block, metric: str) -> None:
    baseline = block.values(BASELINE, metric) if BASELINE in block.runs else {}
    axes.axvline(0, color=colour_of(BASELINE), linewidth=1.4, zorder=1)
    for place, rule in enumerate(block.runs):
        found = block.difference(rule, metric)
        if found is None:
            continue
        if found.low is not None and found.high is not None:
            axes.plot([found.low, found.high], [place, place], color=colour_of(rule), linewidth=3.2, solid_capstyle="butt", zorder=2)
        axes.scatter(found.mean, place, s=52, marker="D", color=colour_of(rule), zorder=3)
        pairs = [value - baseline[seed] for seed, value in block.values(rule, metric).items() if seed in baseline]
        axes.scatter(pairs, place + _apart(len(pairs)), s=16, color="white", edgecolor=INK, linewidth=0.8, zorder=4)
    if not baseline:
        axes.text(
            0.5, 0.5, f"no run with {BASELINE}", transform=axes.transAxes, ha="center", va="center", color=FAINT_INK, fontsize=9,
            backgroundcolor="white",
        )  # fmt: skip
    axes.set_yticks([])
    axes.set_ylim(len(block.runs) - 0.5, -0.5)
    axes.margins(x=0.08)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    quiet(axes, "x")


def _curves_of(axes: Any, block: Block, name: str) -> None:
    for rule, runs in block.runs.items():
        epochs, values = aligned([run.curves.get(name, ()) for run in runs.values()])
        if not len(epochs):
            continue
        draw_band(axes, epochs + 1, values, rule)
    last = max((epoch for runs in block.runs.values() for run in runs.values() for epoch, _ in run.curves.get(name, ())), default=0) + 1
    axes.set_xlim(1 - 0.04 * last, last * 1.04)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    quiet(axes, "y")


def _apart(count: int) -> np.ndarray:
    """Return offsets that keep the dots of equal seeds apart."""
    return np.linspace(-0.2, 0.2, count) if count > 1 else np.zeros(count)


def aligned(curves: Sequence[Sequence[tuple[int, float]]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the places of all curves together, (places,), and the values of each curve that is not empty, (curves, places).

    A curve has NaN at a place where it has no value: a seed had stopped before it, or there is no run.
    """
    logged = [dict(curve) for curve in curves if curve]
    epochs = sorted(set().union(*logged))
    values = np.array([[curve.get(epoch, np.nan) for epoch in epochs] for curve in logged])
    return np.array(epochs), values


def draw_band(axes: Any, places: np.ndarray, values: np.ndarray, rule: str, marker: str | None = None) -> None:
    """Draw the mean of a rule's seeds as a line, and from the lowest to the highest as a band.

    Args:
        axes: the panel.
        places: (points,).
        values: (seeds, points), NaN where a seed has none.
        rule: the learning rule.
        marker: what stands at every point; a lone point has a dot.
    """
    low, high, lone = np.nanmin(values, axis=0), np.nanmax(values, axis=0), len(places) == 1
    axes.plot(places, np.nanmean(values, axis=0), marker="o" if lone else marker, linewidth=2, markersize=5, zorder=3, **pen_of(rule))
    axes.fill_between(places, low, high, color=colour_of(rule), alpha=0.17, linewidth=1.5 if lone else 0)


def page_of_rules(width: float, panels: float, title: str, caption: str, rules: Sequence[str]) -> tuple[Figure, dict[str, float]]:
    """Return a page as :func:`page` does, with a legend of learning rules below its title."""
    labels = [shortened(rule, _LONGEST) for rule in rules]
    columns = max(1, min(len(rules), int((width - 0.6) / (0.62 + 0.08 * max(map(len, labels))))))
    more = 0.22 * (-(-len(rules) // columns) - 1)  # inches of the legend's further lines
    figure, place = page(width, panels, title, caption, head=1.25 + more)
    figure.legend(
        handles=[Line2D([], [], linewidth=2, label=label, **pen_of(rule)) for rule, label in zip(rules, labels, strict=True)],
        loc="center left",
        bbox_to_anchor=(0.022, 1 - (0.68 + more / 2) / figure.get_figheight()),
        ncols=columns,
        frameon=False,
        fontsize=9.5,
        handlelength=2.6,
    )
    return figure, place


def page(width: float, panels: float, title: str, caption: str, *, head: float) -> tuple[Figure, dict[str, float]]:
    """Return a figure with title and caption, and where its panels may lie; sizes in inches."""
    lines = textwrap.wrap(caption, int(width * 16.2), break_long_words=False)
    foot = 0.66 + 0.19 * len(lines)
    height = head + panels + foot
    figure = Figure(figsize=(width, height), dpi=150, facecolor="white")
    FigureCanvasAgg(figure)
    left = 0.85 / width
    figure.text(0.3 / width, 1 - 0.3 / height, title, fontsize=12.5, fontweight="bold", color=INK, va="center")
    figure.text(0.3 / width, 0.12 / height, "\n".join(lines), fontsize=8.2, color="#555555", va="bottom", linespacing=1.35)
    return figure, {"left": left, "right": 1 - 0.25 / width, "top": 1 - head / height, "bottom": foot / height}


def quiet(axes: Any, grid: str) -> None:
    """Reduce a panel's frame and grid to what helps reading."""
    axes.grid(axis=grid, color=_FAINT, linewidth=0.8, zorder=0)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left" if grid == "x" else "top"):
        axes.spines[side].set_visible(False)
    for side in ("bottom", "left"):
        axes.spines[side].set_color("#888888")
    axes.tick_params(colors=INK, labelsize=9)


def shortened(name: str, length: int) -> str:
    """Return a name of at most that length, by leaving out its middle.

    Example:
        >>> shortened("stages.3.fuse_layers.0.2.0", 16)
        'stages.…rs.0.2.0'
    """
    if len(name) <= length:
        return name
    head = (length - 1) // 2
    return f"{name[:head]}…{name[head + 1 - length :]}"


def heading(name: str, width: int) -> str:
    """Return a name as one line, or two of at most that many letters, broken after commas and colons.

    Example:
        >>> heading("features.*=frsf,*=usf", 16)
        'features.*=frsf,\\n*=usf'
    """
    lines = textwrap.wrap(re.sub(r"([,:])(?! )", r"\1 ", name), width) if len(name) > width else [name]
    return "\n".join([lines[0], *([shortened(" ".join(lines[1:]), width)] if lines[1:] else [])])


def save(figure: Figure, file: Path) -> None:
    """Write a figure whole or not at all."""
    with replacing(file) as temporary:
        figure.savefig(temporary, format="png")
