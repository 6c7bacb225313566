"""The picture of how far the layers of a network are from backpropagation while they learn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.ticker import MaxNLocator

from ..figures.style import FAINT_INK, INK, aligned, heading, page, quiet, save, shortened
from .groups import ComparisonGroup

_ROWS = {"weight_angle": "weight angle", "update_angle": "update angle"}
_ACROSS = 5  # most panels side by side
_NAMED = 18  # most layers that are named beside the colour bar
_PANELS, _BETWEEN = 3.6, 1.15  # inches of two rows of panels, and from there to the next two


def draw_alignment(file: Path, groups: Sequence[ComparisonGroup], title: str, caption: str) -> None:
    """Draw weight angle (above) and update angle (below) against epochs, a panel per rule and a line per layer.

    Args:
        file: the PNG to write.
        groups: what to draw; each has a rule of which some run measured its alignment.
        title: one line.
        caption: what the angles, lines and bands are.
    """
    bands = [(group, rules) for group in groups for rules in _bands(group.measured())]
    across = max(len(rules) for _, rules in bands)
    figure, place = page(10.0, (_PANELS + _BETWEEN) * len(bands) - _BETWEEN + 0.1, title, caption, head=1.35)
    place |= {"right": 1 - 2.05 / 10.0, "wspace": 0.12, "hspace": 0.22}
    height, top = figure.get_figheight(), place["top"]
    for number, (group, rules) in enumerate(bands):
        above = top - number * (_PANELS + _BETWEEN) / height
        inside = place | {"top": above, "bottom": above - _PANELS / height}
        grid = figure.add_gridspec(2, across, **inside)
        panels = [[figure.add_subplot(grid[row, column]) for column in range(len(rules))] for row in range(2)]
        layers = _layers(group)
        colours = _colours(len(layers))
        for row, quantity in zip(panels, _ROWS, strict=True):
            for axes, rule in zip(row, rules, strict=True):
                _lines_of(axes, group, rule, quantity, layers, colours)
        headings = [heading(rule, int(95 * (place["right"] - place["left"]) / across)) for rule in rules]
        _dress(panels, headings)
        lines = max(words.count("\n") for words in headings) + 1
        figure.text(0.3 / 10.0, above + (0.23 + 0.16 * lines) / height, group.title, fontsize=9.5, color=INK, va="center")
        bar = figure.add_axes((place["right"] + 0.16 / 10, inside["bottom"], 0.13 / 10, inside["top"] - inside["bottom"]))
        _name_layers(figure, bar, layers, colours)
    save(figure, file)


def _bands(rules: Sequence[str]) -> list[Sequence[str]]:
    """Break the panels of many rules into rows of nearly equal length."""
    rows = -(-len(rules) // _ACROSS)
    return [list(part) for part in np.array_split(rules, rows)]


def _layers(group: ComparisonGroup) -> list[str]:
    """Return the layers of a group's network, from the image to the code."""
    runs = (run for runs in group.runs.values() for run in runs.values())
    return list(dict.fromkeys(layer for run in runs if run.alignment for layer in run.alignment["update_angle"]))


def _colours(count: int) -> list[Any]:
    """Return a colour for each depth; the yellow end, hardly seen on white, is left out."""
    return [tuple(colour) for colour in colormaps["viridis"](np.linspace(0.0, 0.9, count))]


def _lines_of(axes: Any, group: ComparisonGroup, rule: str, quantity: str, layers: Sequence[str], colours: Sequence[Any]) -> None:
    axes.axhline(90, color="#777777", linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)
    drawn = False
    for layer, colour in zip(layers, colours, strict=True):
        epochs, values = aligned([run.alignment[quantity].get(layer, ()) for run in group.runs[rule].values() if run.alignment])
        if not len(epochs):
            continue
        drawn = True
        marker = "o" if len(epochs) == 1 else None
        width = 1.8 if len(layers) <= 12 else 1.1
        axes.plot(epochs, np.nanmean(values, axis=0), color=colour, linewidth=width, marker=marker, markersize=4, zorder=3)
        axes.fill_between(epochs, np.nanmin(values, axis=0), np.nanmax(values, axis=0), color=colour, alpha=0.16, linewidth=0, zorder=2)
    if not drawn:
        axes.text(
            0.5, 0.25, "no B in W's place", transform=axes.transAxes, ha="center", va="center", fontsize=8.5, color=FAINT_INK
        )  # fmt: skip


def _dress(panels: Sequence[Sequence[Any]], headings: Sequence[str]) -> None:
    """Give all panels of a band the same axes, and words only at its left, its top and its bottom."""
    every = [axes for row in panels for axes in row]
    last = max((axes.dataLim.x1 for axes in every if axes.lines[1:]), default=1)
    highest = max(97.0, *(axes.dataLim.y1 + 3 for axes in every))
    for axes in every:
        axes.set_xlim(-0.03 * max(last, 1), max(last, 1) * 1.03)
        axes.set_ylim(-3, min(highest, 183.0))
        axes.set_yticks([tick for tick in range(0, 181, 30) if tick <= highest])
        axes.yaxis.set_major_formatter("{x:.0f}°")
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
        quiet(axes, "y")
    for row, words in zip(panels, _ROWS.values(), strict=True):
        row[0].set_ylabel(words, fontsize=9.5)
        for axes in row[1:]:
            axes.tick_params(labelleft=False)
    for axes, words in zip(panels[0], headings, strict=True):
        axes.set_title(words, fontsize=9.5, color=INK, fontweight="bold", pad=5)
        axes.tick_params(labelbottom=False)
    for axes in panels[1]:
        axes.set_xlabel("epochs trained", fontsize=9)


def _name_layers(figure: Any, bar: Any, layers: Sequence[str], colours: Sequence[Any]) -> None:
    """Draw the depths as a bar that reads downwards from the image, with as many names beside it as can be read."""
    norm = BoundaryNorm(np.arange(len(layers) + 1) - 0.5, len(layers))
    shown = np.unique(np.linspace(0, len(layers) - 1, min(len(layers), _NAMED)).round().astype(int))
    figure.colorbar(ScalarMappable(norm, ListedColormap(colours)), cax=bar, ticks=shown)
    bar.set_yticks(shown, [shortened(layers[number], 27) for number in shown], fontsize=7.8)
    bar.minorticks_off()
    bar.tick_params(length=2, color="#888888", labelcolor=INK)
    bar.invert_yaxis()
    bar.set_title("layer", loc="left", fontsize=8.5, color=INK, pad=5)
    for spine in bar.spines.values():
        spine.set_visible(False)
