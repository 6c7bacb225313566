"""The picture of mAP against the number of bits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..figures.style import INK, aligned, draw_band, heading, page_of_rules, place_of, quiet, save
from ..records.metric_names import words_of
from ._code_lengths import BitsPanel

_ACROSS = 3  # most panels side by side
_PANEL, _GAP = 2.7, 0.75  # inches of a panel, and between two rows of them
_CLOSEST = 0.05  # of the axis: numbers of bits that lie closer would be written over each other


def draw_code_lengths(file: Path, panels: Sequence[BitsPanel], metric: str, title: str, caption: str) -> None:
    """Draw a metric against the number of bits, a line per rule with a band over its seeds; a panel per remaining setting.

    Args:
        file: the PNG to write.
        panels: what to draw.
        metric: the metric of the lines.
        title: one line.
        caption: everything that must be stated beside the numbers.
    """
    down = -(-len(panels) // _ACROSS)
    across = -(-len(panels) // down)
    rules = sorted({rule for panel in panels for rule in panel.rules}, key=place_of)
    headings = [heading(panel.title, int(95 / across)) for panel in panels]
    second_lines = 0.17 * any("\n" in words for words in headings[:across])
    figure, place = page_of_rules(10.0, (_PANEL + _GAP) * down - _GAP + second_lines, title, caption, rules)
    place["top"] -= second_lines / figure.get_figheight()
    place |= {"left": 1.0 / 10.0, "wspace": 0.1, "hspace": _GAP / _PANEL}
    grid = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True, gridspec_kw=place)
    lengths = sorted({bits for panel in panels for bits in panel.groups})
    places = dict(zip(lengths, _places(lengths), strict=True))
    for axes, panel, words in zip(grid.flat, panels, headings, strict=False):
        for rule in panel.rules:
            bits, values = aligned(panel.curves(rule, metric))
            if len(bits):
                draw_band(axes, np.array([places[length] for length in bits]), values, rule, marker="o")
        axes.set_title(words, loc="left", fontsize=9.5, color=INK, pad=6)
        axes.set_xticks(list(places.values()), [str(length) for length in lengths])
        axes.margins(x=0.06)
        axes.tick_params(labelbottom=True)
        axes.set_xlabel("bits")
        quiet(axes, "y")
    for axes in grid.flat[len(panels) :]:
        axes.remove()
    for axes in grid[:, 0]:
        axes.set_ylabel(heading(words_of(metric), 42), fontsize=9)
    save(figure, file)


def _places(lengths: Sequence[int]) -> list[float]:
    """Return where numbers of bits stand: spaced as their logarithms, or evenly where these lie too close to be read."""
    logarithms = np.log2(lengths)
    steps = np.diff(logarithms)
    return (logarithms if steps.min() >= _CLOSEST * steps.sum() else np.arange(len(lengths), dtype=np.float64)).tolist()
