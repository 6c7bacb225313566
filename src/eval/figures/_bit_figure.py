"""The figure of a run's bits: how balanced each is, and how strongly any two are correlated."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.ticker import MaxNLocator

from ..metrics.bits import BitStatistics
from .style import DASHED, FAINT_INK, IRRELEVANT, page

_STEPS = (1, 2, 4, 8, 10)
_COLOURS = ("#0072B2", "#E69F00")


def draw_bits(file: Path, sides: Mapping[str, BitStatistics], title: str, caption: str) -> None:
    """Draw the share of +1 of every bit and, below it, a matrix of absolute correlations per fold.

    Args:
        file: the PNG to write.
        sides: the bits of the fold and of the database, by their names.
        title: one line.
        caption: everything that must be stated beside the metrics.
    """
    with page(file, 7.2, title, caption) as figure:
        panels = figure.subplot_mosaic([["balance", "balance"], [*sides]], height_ratios=(1, 1.9))
        _draw_balance(panels.pop("balance"), sides)
        for name, axes in panels.items():
            shown = _draw_correlations(axes, sides[name])
            axes.set(title=f"absolute correlation, {name}", xlabel="bit")
        bar = figure.colorbar(shown, ax=[*panels.values()], aspect=30, pad=0.01)
        bar.outline.set_visible(False)


def _draw_balance(axes: Any, sides: Mapping[str, BitStatistics]) -> None:
    """Draw a mark per bit and fold: filled ones of the first fold, hollow ones of the second, a cross where the bit is dead."""
    axes.axhline(0.5, color=FAINT_INK, linewidth=1.1, linestyle=DASHED, zorder=1)
    count = 0
    for number, ((name, bits), colour) in enumerate(zip(sides.items(), _COLOURS, strict=True)):
        count = len(bits.shares)
        size = float(np.clip(2500 / count, 3, 40))
        live, dead = np.flatnonzero(bits.live), np.flatnonzero(~bits.live)
        style = {"facecolors": "none" if number else colour, "edgecolors": colour, "linewidths": 1.1, "label": name, "zorder": 2}
        axes.scatter(live, bits.shares[live], s=size * (1 + number), **style)
        style = {"marker": "+" if number else "x", "color": IRRELEVANT, "linewidths": 1.3, "label": f"dead in {name}: {len(dead)}"}
        axes.scatter(dead, bits.shares[dead], s=max(1.5 * size, 16), zorder=3, **style)
    ticks = MaxNLocator(16, steps=_STEPS, integer=True, min_n_ticks=1).tick_values(0, count - 1)
    axes.set_xticks([tick for tick in ticks if 0 <= tick < count])  # the margin would have one of a bit that there is not
    axes.set(xlim=(-0.5 - 0.01 * count, count - 0.5 + 0.01 * count), ylim=(-0.06, 1.06), xlabel="bit", ylabel="share of +1")
    axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=4, handletextpad=0.2)


def _draw_correlations(axes: Any, bits: BitStatistics) -> Any:
    colours = colormaps["Blues"].with_extremes(bad="#D9D9D9")
    shown = axes.imshow(np.abs(bits.correlations), cmap=colours, vmin=0, vmax=1, interpolation="nearest")
    axes.grid(visible=False)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(8, steps=_STEPS, integer=True, min_n_ticks=1))
    axes.spines[:].set_visible(True)
    return shown
