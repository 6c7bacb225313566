"""Which figures a comparison has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ._angles import draw_alignment
from ._dots import draw_bars, draw_overview
from ._lines import draw_code_lengths, draw_curves, draw_retrieval
from .comparison import Comparison
from .tables import OVERVIEW

_FIGURES: dict[str, tuple[str, Callable[[Path, Comparison], bool]]] = {
    "comparison-bars.png": ("mAP per rule", draw_bars),
    "comparison-curves.png": ("training curves", draw_curves),
    OVERVIEW: ("all settings at a glance", draw_overview),
    "comparison-bits.png": ("mAP against the number of bits", draw_code_lengths),
    "comparison-retrieval.png": ("precision and recall", draw_retrieval),
    "comparison-alignment.png": ("alignment with backpropagation", draw_alignment),
}


def draw_figures(folder: Path, comparison: Comparison) -> dict[str, str]:
    """Draw every figure that there are data for, and remove earlier ones that there are none for any more.

    Args:
        folder: where the files go.
        comparison: what to draw.

    Returns:
        The files that were drawn, each with what it shows in a few words.
    """
    drawn = {}
    for file, (words, draw) in _FIGURES.items():
        if draw(folder / file, comparison):
            drawn[file] = words
        else:
            (folder / file).unlink(missing_ok=True)
    return drawn
