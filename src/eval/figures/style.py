"""The style of all figures, drawn without any global state: colours of the rules, pages, panels."""

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

from ...registry import names_on_disk
from ...runs import replacing
from ..significance.over_seeds import BASELINE

# Okabe and Ito's palette, which colour-blind readers can tell apart; dark grey is the baseline's.
_PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#7A5C00", "#8A2BE2")
_PALETTE_OF_MAPS = ("#3B4FA0", "#A63A50", "#2F6B3C", "#8C5A9E", "#B5651D", "#1F7A8C", "#6B6B1F")
_BASELINE_COLOUR = "#3C3C3C"
INK, FAINT_INK, _FAINT = "#222222", "#777777", "#D9D9D9"
RELEVANT, IRRELEVANT = "#009E73", "#D55E00"
_STYLES = ("--", "-.", ":", (0, (6, 1.5, 1, 1.5, 1, 1.5)), "-")
_STYLE_OF_MAPS = (0, (9, 2))
_RULES = [name for name in names_on_disk("bio", "RULES") if name != BASELINE]
LONGEST = 40  # letters of a rule, or of a map of rules, that are shown


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
    labels = [shortened(rule, LONGEST) for rule in rules]
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
