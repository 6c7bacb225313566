"""The contact sheet of a run: queries and the database images that their codes find first."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.patches import Rectangle

from ...errors import BioDeepHashingError
from ..ranking.nearest import Neighbours
from .style import FAINT_INK, INK, IRRELEVANT, RELEVANT, page, save, shortened

if TYPE_CHECKING:
    from PIL.Image import Image

# Inches; the sheet is one panel, measured in them from its upper left corner.
_WORDS, _TILE, _GAP, _APART, _FOUND, _DISTANCE, _RANKS = 1.35, 0.8, 0.09, 0.16, 0.55, 0.27, 0.22
_INSET = 0.035  # of an image in its border
_MARGIN, _HEAD, _FOOT = 0.3, 0.65, 0.4
_PIXELS = 240  # most of a side: a tile has half as many
_LINES, _LETTERS = 3, 16  # of the classes beside a query


@dataclass(frozen=True)
class Gallery:
    """The images of a fold.

    Args:
        files: where they lie, by row.
        image: opens that of a row; what it raises for one that cannot be read is a BioDeepHashingError.
    """

    files: Sequence[str]
    image: Callable[[int], Image]


def draw_nearest(
    file: Path, shown: Sequence[Neighbours], queries: Gallery, database: Gallery, words: Sequence[str], title: str, caption: str
) -> None:
    """Draw a row per query: its classes, its image, and its nearest items, green where they share a class and red where not.

    Args:
        file: the PNG to write.
        shown: the queries and what is nearest to them.
        queries: the images of the queries.
        database: the images of the database.
        words: the classes of each shown query.
        title: one line.
        caption: everything that must be stated beside the images.
    """
    most = max(len(one.rows) for one in shown)
    inner = (_WORDS + _TILE + _APART + most * (_TILE + _GAP) + _FOUND, _RANKS + len(shown) * (_TILE + _DISTANCE))
    width = max(inner[0] + 2 * _MARGIN, 8.2)
    figure, place = page(width, inner[1] - _FOOT, title, caption, head=_HEAD)  # what a page keeps free for numbers below an axis
    height = inner[1] / figure.get_figheight()
    axes = figure.add_axes((_MARGIN / width, place["top"] - height, inner[0] / width, height))
    first = _WORDS + _TILE + _APART
    for rank in range(most):
        axes.text(first + rank * (_TILE + _GAP) + _TILE / 2, 0, str(rank + 1), fontsize=8, color=FAINT_INK, ha="center", va="top")
    for number, (one, classes) in enumerate(zip(shown, words, strict=True)):
        y = _RANKS + number * (_TILE + _DISTANCE)
        axes.text(0, y, _wrapped(classes), fontsize=9, fontweight="bold", color=INK, va="top", linespacing=1.2)
        axes.text(0, y + _TILE, f"row {one.query:,}", fontsize=8, color=FAINT_INK, va="bottom")
        _draw_tile(axes, queries, one.query, _WORDS, y, INK)
        _draw_items(axes, one, database, first, y)
        found = f"{int(one.relevant.sum())} of {len(one.rows)}"
        axes.text(first + len(one.rows) * (_TILE + _GAP), y + _TILE / 2, found, fontsize=9, color=INK, va="center")
    axes.set_xlim(0, inner[0])
    axes.set_ylim(inner[1], 0)
    axes.set_axis_off()
    save(figure, file)


def _draw_items(axes: Any, one: Neighbours, database: Gallery, x: float, y: float) -> None:
    for row, distance, relevant in zip(one.rows.tolist(), one.distances.tolist(), one.relevant.tolist(), strict=True):
        _draw_tile(axes, database, row, x, y, RELEVANT if relevant else IRRELEVANT)
        axes.text(x + _TILE / 2, y + _TILE + 0.04, str(distance), fontsize=8, color=INK, ha="center", va="top")
        x += _TILE + _GAP


def _draw_tile(axes: Any, gallery: Gallery, row: int, x: float, y: float, colour: str) -> None:
    """Draw an image as large as fits into a square with a border, or a grey square that names what cannot be shown."""
    axes.add_patch(Rectangle((x, y), _TILE, _TILE, facecolor="#E4E4E4", edgecolor=colour, linewidth=2.4, zorder=1))
    try:
        picture = gallery.image(row).convert("RGB")
    except BioDeepHashingError:
        name = textwrap.fill(shortened(Path(gallery.files[row]).name, 36), 12)
        axes.text(x + _TILE / 2, y + _TILE / 2, f"no image\n{name}", fontsize=5.5, color=INK, ha="center", va="center", zorder=3)
        return
    picture.thumbnail((_PIXELS, _PIXELS))
    wide, high = ((_TILE - 2 * _INSET) * side / max(picture.size) for side in picture.size)
    left, top = x + (_TILE - wide) / 2, y + (_TILE - high) / 2
    axes.imshow(picture, extent=(left, left + wide, top + high, top), aspect="auto", zorder=2)


def _wrapped(classes: str) -> str:
    return "\n".join(textwrap.wrap(classes, _LETTERS, max_lines=_LINES, placeholder=" …"))
