"""The figure of how far the layers of a network are from backpropagation while they learn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.ticker import MaxNLocator

from ..figures.style import DASHED, FAINT_INK, heading, page, shortened
from ._captions import TRAINING_BAND, splits
from ._lines import by_seed, draw_band
from .comparison import Comparison
from .groups import ComparisonGroup

_ROWS = {"weight_angle": "weight angle", "update_angle": "update angle"}
_ACROSS = 5  # most panels side by side
_NAMED = 18  # most layers that are named beside the colour bar
_CAPTION = (
    "Weight angle: between a layer's weights W and the matrix B that carries its error down; it exists where B stands in W's place. "
    "Update angle: between the gradients of W by the rule and by backpropagation, on one batch. 0°: equal; 90° (dashed): nothing "
    "in common. "
)


def draw_alignment(file: Path, comparison: Comparison) -> bool:
    """Draw weight angle (above) and update angle (below) against epochs, a panel per rule and a line per layer.

    Nothing where no run measured its alignment.
    """
    measured = [
        (group, rules)
        for group in comparison.groups
        if (rules := [rule for rule, runs in group.runs.items() if any(run.alignment for run in runs.values())])
    ]
    if not measured:
        return False
    bands = [(group, list(part)) for group, rules in measured for part in np.array_split(rules, -(-len(rules) // _ACROSS))]
    across = max(len(rules) for _, rules in bands)
    caption = f"{_CAPTION}{TRAINING_BAND} {splits([group for group, _ in measured])}"
    with page(file, 4.3 * len(bands), f"{comparison.name}: alignment with backpropagation", caption) as figure:
        for part, (group, rules) in zip(np.atleast_1d(figure.subfigures(len(bands), 1)), bands, strict=True):
            part.suptitle(group.title, fontsize=9.5, fontweight="normal", x=0.02, ha="left")
            _draw_group(part, group, rules, across)
    return True


def _draw_group(figure: Any, group: ComparisonGroup, rules: Sequence[str], across: int) -> None:
    measured = [run.alignment for runs in group.runs.values() for run in runs.values() if run.alignment]
    layers = list(dict.fromkeys(layer for alignment in measured for layer in alignment["update_angle"]))
    colours = [tuple(colour) for colour in colormaps["viridis"](np.linspace(0.0, 0.9, len(layers)))]  # yellow is hardly seen on white
    panels = figure.subplots(2, across, squeeze=False, sharex=True, sharey=True)
    for column, rule in zip(panels.T, rules, strict=False):
        column[0].set_title(heading(rule, int(75 / across)), loc="center", fontweight="bold")
        for axes, quantity in zip(column, _ROWS, strict=True):
            axes.axhline(90, color=FAINT_INK, linewidth=1.0, linestyle=DASHED, zorder=1)
            known = [run.alignment[quantity] for run in group.runs[rule].values() if run.alignment]
            for layer, colour in zip(layers, colours, strict=True):
                points = by_seed(curves.get(layer, ()) for curves in known)
                if len(points):
                    draw_band(axes, points, {"color": colour, "linewidth": 1.8 if len(layers) <= 12 else 1.1})
            if len(axes.lines) == 1:
                axes.text(0.5, 0.25, "no B in W's place", transform=axes.transAxes, ha="center", fontsize=8.5, color=FAINT_INK)
    _dress(panels, len(rules))
    _name_layers(figure, panels, layers, colours)


def _dress(panels: Any, count: int) -> None:
    """Give all panels of a group the same axes, and words only at their left and bottom."""
    last = max((axes.dataLim.x1 for axes in panels.flat if axes.lines[1:]), default=1)
    highest = min(183.0, max(97.0, *(axes.dataLim.y1 + 3 for axes in panels[:, :count].flat)))
    panels[0, 0].set(xlim=(-0.03 * max(last, 1), max(last, 1) * 1.03), ylim=(-3, highest))
    panels[0, 0].set_yticks([tick for tick in range(0, 181, 30) if tick <= highest])
    panels[0, 0].yaxis.set_major_formatter("{x:.0f}°")
    panels[0, 0].xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
    for axes, words in zip(panels[:, 0], _ROWS.values(), strict=True):
        axes.set_ylabel(words)
    for axes in panels[1, :count]:
        axes.set_xlabel("epochs trained", fontsize=9)
    for axes in panels[:, count:].flat:
        axes.set_axis_off()


def _name_layers(figure: Any, panels: Any, layers: Sequence[str], colours: Sequence[Any]) -> None:
    """Draw the depths as a bar that reads downwards from the image, with as many names beside it as can be read."""
    shown = np.unique(np.linspace(0, len(layers) - 1, min(len(layers), _NAMED)).round().astype(int))
    norm = BoundaryNorm(np.arange(len(layers) + 1) - 0.5, len(layers))
    bar = figure.colorbar(ScalarMappable(norm, ListedColormap(colours)), ax=[*panels.flat], ticks=shown, aspect=30, pad=0.02).ax
    bar.set_yticks(shown, [shortened(layers[number], 27) for number in shown], fontsize=8)
    bar.minorticks_off()
    bar.invert_yaxis()
    bar.set_title("layer", fontsize=8.5)
    bar.spines[:].set_visible(False)
