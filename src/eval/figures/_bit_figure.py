"""The picture of a run's bits: how balanced each is, and how strongly any two are correlated."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.ticker import MaxNLocator

from ..metrics.bits import BitStatistics
from .style import FAINT_INK, INK, IRRELEVANT, page, quiet, save

_WIDTH, _HEAD = 10.0, 1.0  # inches, as all below
_BALANCE, _BETWEEN, _MATRIX = 2.2, 1.0, 3.9
_STEPS = (1, 2, 4, 8, 10)
_COLOURS = ("#0072B2", "#E69F00")


def draw_bits(file: Path, sides: Mapping[str, BitStatistics], title: str, caption: str) -> None:
    """Draw the share of +1 of every bit and, below it, a matrix of absolute correlations per fold.

    Args:
        file: the PNG to write.
        sides: the bits of the fold and of the database, by their names.
        title: one line.
        caption: everything that must be stated beside the numbers.
    """
    figure, place = page(_WIDTH, _BALANCE + _BETWEEN + _MATRIX, title, caption, head=_HEAD)
    height = figure.get_figheight()
    axes = figure.subplots(gridspec_kw=place | {"bottom": place["top"] - _BALANCE / height})
    _balance_of(axes, sides)
    across = _MATRIX / _WIDTH
    for left, (name, bits) in zip((place["left"], place["left"] + across + 0.06), sides.items(), strict=True):
        matrix = figure.add_axes((left, place["bottom"], across, _MATRIX / height))
        shown = _correlations_of(matrix, bits)
        matrix.set_title(f"absolute correlation, {name}", loc="left", fontsize=9.5, color=INK, pad=6)
        matrix.set_xlabel("bit", color=INK)
    bar = figure.add_axes((left + across + 0.015, place["bottom"], 0.012, _MATRIX / height))
    figure.colorbar(shown, cax=bar)
    bar.tick_params(length=2, labelsize=8.5, color="#888888", labelcolor=INK)
    bar.spines["outline"].set_visible(False)
    save(figure, file)


def _balance_of(axes: Any, sides: Mapping[str, BitStatistics]) -> None:
    """Draw a mark per bit and fold: filled ones of the first fold, hollow ones of the second, a cross where the bit is dead."""
    axes.axhline(0.5, color=FAINT_INK, linewidth=1.1, linestyle=(0, (4, 3)), zorder=1)
    count = 0
    for number, ((name, bits), colour) in enumerate(zip(sides.items(), _COLOURS, strict=True)):
        count = len(bits.shares)
        size = float(np.clip(2500 / count, 3, 40))
        live, dead = np.flatnonzero(bits.live), np.flatnonzero(~bits.live)
        face = colour if number == 0 else "none"
        axes.scatter(
            live, bits.shares[live], s=size * (1 + number), facecolors=face, edgecolors=colour, linewidths=1.1, label=name, zorder=2
        )  # fmt: skip
        axes.scatter(
            dead, bits.shares[dead], s=max(1.5 * size, 16), marker="x" if number == 0 else "+", color=IRRELEVANT, linewidths=1.3,
            label=f"dead in {name}: {len(dead)}", zorder=3,
        )  # fmt: skip
    axes.set_xlim(-0.5 - 0.01 * count, count - 0.5 + 0.01 * count)
    axes.set_ylim(-0.06, 1.06)
    ticks = MaxNLocator(16, steps=_STEPS, integer=True, min_n_ticks=1).tick_values(0, count - 1)
    axes.set_xticks([tick for tick in ticks if 0 <= tick < count])  # the margin would have one of a bit that there is not
    axes.set_xlabel("bit", color=INK)
    axes.set_ylabel("share of +1", color=INK)
    quiet(axes, "y")
    axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=4, frameon=False, fontsize=9, labelcolor=INK, handletextpad=0.2)


def _correlations_of(axes: Any, bits: BitStatistics) -> Any:
    colours = colormaps["Blues"].with_extremes(bad="#D9D9D9")
    shown = axes.imshow(np.abs(bits.correlations), cmap=colours, vmin=0, vmax=1, interpolation="nearest", aspect="equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(8, steps=_STEPS, integer=True, min_n_ticks=1))
    axes.tick_params(colors=INK, labelsize=9)
    for spine in axes.spines.values():
        spine.set_color("#888888")
    return shown
