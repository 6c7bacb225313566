"""The figures of a run's curves: precision and recall by radius, precision by depth, distances by relevance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator, NullFormatter

from ..metrics.curves import Curves
from ..ranking.histograms import Counts, Reals
from .style import DASHED, FAINT_INK, IRRELEVANT, RELEVANT, page

_LINE = "#0072B2"
_HEIGHT = 5.2  # inches
_APART = 0.075  # least distance of two named radii, in lengths of an axis
_VISIBLE = 0.004  # least distance of the two lines that can be seen
_DOTS = 130  # most radii of which each has a dot


def draw_precision_recall(file: Path, curves: Curves, title: str, caption: str) -> None:
    """Draw precision against recall, a point per Hamming radius from the first that holds anything.

    Args:
        file: the PNG to write.
        curves: what to draw.
        title: one line.
        caption: everything that must be stated beside the metrics.
    """
    start = int(np.argmax(curves.nonempty > 0))
    recall, precision, nonempty = curves.recall[start:], curves.precision[start:], curves.nonempty[start:]
    filled = precision / nonempty
    with page(file, _HEIGHT, title, caption) as figure:
        axes = figure.subplots()
        _draw_chance(axes, curves)
        axes.plot(recall, filled, color=FAINT_INK, linewidth=1.1, linestyle=":", label="without empty queries", zorder=2)
        marker = "o" if len(recall) <= _DOTS else None
        axes.plot(recall, precision, color=_LINE, marker=marker, label="all queries, numbers: radius", zorder=3)
        for place in spread_out(np.stack((recall, precision), axis=1), _APART):
            rising = precision[place] < precision[min(place + 1, len(precision) - 1)]
            below = rising or filled[place] - precision[place] > _VISIBLE
            offset = (5, -11) if below else (5, 4)  # where neither line goes on
            axes.annotate(str(start + place), (recall[place], precision[place]), offset, textcoords="offset points", fontsize=8.5)
        axes.set(xlim=(-0.02, 1.04), ylim=(0, 1.06), xlabel="recall within the radius", ylabel="precision within the radius")
        _name_lines(axes)


def draw_precision_at(file: Path, curves: Curves, title: str, caption: str) -> None:
    """Draw the precision of the first N items against N.

    Args:
        file: the PNG to write.
        curves: what to draw.
        title: one line.
        caption: everything that must be stated beside the metrics.
    """
    with page(file, _HEIGHT, title, caption) as figure:
        axes = figure.subplots()
        _draw_chance(axes, curves)
        marker = "o" if len(curves.depths) == 1 else None
        axes.plot(curves.depths, curves.precision_at, color=_LINE, marker=marker, label="precision of the first N", zorder=3)
        axes.set(xscale="log", xlim=(0.92, max(2.0, 1.1 * float(curves.depths[-1]))), ylim=(0, 1.06))
        axes.set(xlabel="N, items nearest to the query", ylabel="precision")
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.xaxis.set_minor_formatter(NullFormatter())  # of a small database it would name tenths
        _name_lines(axes)


def draw_distances(file: Path, curves: Curves, title: str, caption: str) -> None:
    """Draw how the distances are spread of pairs that share a class and of those that do not, with their medians.

    Args:
        file: the PNG to write.
        curves: what to draw.
        title: one line.
        caption: everything that must be stated beside the metrics.
    """
    edges = np.arange(len(curves.distances) + 1) - 0.5
    with page(file, _HEIGHT, title, caption) as figure:
        axes = figure.subplots()
        for column, words, colour in ((1, "share a class", RELEVANT), (0, "share none", IRRELEVANT)):
            counts = curves.distances[:, column]
            total, middle = int(counts.sum()), median(counts)
            label = f"{words}: {total:,} pairs" + (f", median {middle}" if middle is not None else "")
            style = {"facecolor": (colour, 0.35), "edgecolor": colour, "linewidth": 1.2, "zorder": 2}
            axes.stairs(counts / max(total, 1), edges, fill=True, label=label, **style)
            if middle is not None:
                axes.axvline(middle, color=colour, linewidth=1.4, linestyle=DASHED, zorder=3)
        axes.margins(y=0.08)
        axes.set(xlim=(edges[0], edges[-1]), xlabel="Hamming distance of query and item", ylabel="share of the pairs")
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(10, steps=(1, 2, 4, 8, 10), integer=True, min_n_ticks=1))
        _name_lines(axes)


def median(counts: Counts) -> int | None:
    """Return the distance that half of the pairs do not exceed (the lower one of two), None where there is no pair.

    Example:
        >>> median(np.array([0, 2, 1, 1])), median(np.array([0, 0]))
        (1, None)
    """
    reached = np.cumsum(counts)
    return int(np.argmax(2 * reached >= reached[-1])) if reached[-1] else None


def spread_out(points: Reals, apart: float) -> list[int]:
    """Return the first of some points and those after it that are far enough from the last one returned.

    Args:
        points: (n, 2).
        apart: least distance.

    Example:
        >>> spread_out(np.array([[0.0, 0.0], [0.1, 0.1], [0.0, 0.5], [0.2, 0.5], [1.0, 0.0]]), 0.3)
        [0, 2, 4]
    """
    kept = [0]
    for place in range(1, len(points)):
        if np.hypot(*(points[place] - points[kept[-1]])) >= apart:
            kept.append(place)
    return kept


def _draw_chance(axes: Any, curves: Curves) -> None:
    """Draw the precision of a random ranking: the share of all pairs that share a class."""
    chance = float(curves.distances[:, 1].sum() / curves.distances.sum())
    axes.axhline(chance, color=FAINT_INK, linewidth=1.1, linestyle=DASHED, label=f"chance, {chance:.3g}", zorder=1)


def _name_lines(axes: Any) -> None:
    axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=3, columnspacing=1.6)
