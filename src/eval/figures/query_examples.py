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
from .style import FAINT_INK, INK, IRRELEVANT, RELEVANT, page, shortened

if TYPE_CHECKING:
    from PIL.Image import Image

_ROW, _INSET = 1.35, 0.04  # of a query, and of an image in its border; an image is 1 wide
_STEP, _INCHES = 1.11, 0.8  # from an image to the next, and what 1 is on the page
_PIXELS = 240  # most of a side that is drawn
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
    height, width = _ROW * len(shown) * _INCHES + 0.3, _STEP * _INCHES * (most + 1) + 2.2
    with page(file, height, title, caption, width=max(width, 8.2)) as figure:
        axes = figure.subplots()
        for rank in range(1, most + 1):
            axes.text(rank * _STEP + 0.7, -0.1, str(rank), fontsize=8, color=FAINT_INK, ha="center")
        for number, (one, classes) in enumerate(zip(shown, words, strict=True)):
            y = number * _ROW
            axes.text(-0.15, y, _wrapped(classes), fontweight="bold", ha="right", va="top", linespacing=1.2)
            axes.text(-0.15, y + 1, f"row {one.query:,}", fontsize=8, color=FAINT_INK, ha="right")
            _draw_tile(axes, queries, one.query, 0, y, INK)
            _draw_items(axes, one, database, y)
        axes.set(xlim=(0, _STEP * (most + 1) + 0.2), ylim=(_ROW * len(shown), -0.3), aspect="equal")
        axes.set_axis_off()


def _draw_items(axes: Any, one: Neighbours, database: Gallery, y: float) -> None:
    x = _STEP + 0.2
    for row, distance, relevant in zip(one.rows.tolist(), one.distances.tolist(), one.relevant.tolist(), strict=True):
        _draw_tile(axes, database, row, x, y, RELEVANT if relevant else IRRELEVANT)
        axes.text(x + 0.5, y + 1.05, str(distance), fontsize=8, ha="center", va="top")
        x += _STEP
    axes.text(x, y + 0.5, f"{int(one.relevant.sum())} of {len(one.rows)}", va="center")


def _draw_tile(axes: Any, gallery: Gallery, row: int, x: float, y: float, colour: str) -> None:
    """Draw an image as large as fits into a square with a border, or a grey square that names what cannot be shown."""
    axes.add_patch(Rectangle((x, y), 1, 1, facecolor="#E4E4E4", edgecolor=colour, linewidth=2.4, zorder=1))
    try:
        image = gallery.image(row).convert("RGB")
    except BioDeepHashingError:
        name = textwrap.fill(shortened(Path(gallery.files[row]).name, 36), 12)
        axes.text(x + 0.5, y + 0.5, f"no image\n{name}", fontsize=5.5, ha="center", va="center", zorder=3)
        return
    image.thumbnail((_PIXELS, _PIXELS))
    wide, high = ((1 - 2 * _INSET) * side / max(image.size) for side in image.size)
    left, top = x + (1 - wide) / 2, y + (1 - high) / 2
    axes.imshow(image, extent=(left, left + wide, top + high, top), aspect="equal", zorder=2)


def _wrapped(classes: str) -> str:
    return "\n".join(textwrap.wrap(classes, _LETTERS, max_lines=_LINES, placeholder=" …"))
