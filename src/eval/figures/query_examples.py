"""The contact sheet of a run: queries and the database images that their codes find first."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.patches import Rectangle

from ...errors import BioDeepHashingError
from ..ranking.nearest import Neighbours
from .style import FAINT_INK, INK, IRRELEVANT, RELEVANT, page, shortened

if TYPE_CHECKING:
    from PIL.Image import Image

_ROW, _INSET = 1.35, 0.04  # of a query, and of an image in its border; an image is 1 wide
_STEP, _INCHES = 1.11, 0.8  # from an image to the next, and what 1 is on the page
_PIXELS = 240  # most of a side: a tile has half as many
_LINES, _LETTERS = 3, 16  # of the classes beside a query
_DOWN, _ACROSS = 8, 14  # lines of a text in a tile, and letters of a line


@dataclass(frozen=True)
class Gallery:
    """The images of a fold.

    Args:
        files: where they lie, by row.
        image: opens that of a row; what it raises for one that cannot be read is a BioDeepHashingError.
    """

    files: Sequence[str]
    image: Callable[[int], Image]


@dataclass(frozen=True)
class Tile:
    """An image or a text of a sheet.

    Args:
        image: opens it; what it raises for one that cannot be read is a BioDeepHashingError.
        name: of its file, shown in its place then.
        words: stand below it.
        relevant: whether it shares a class with the query, which its border tells; None where that is not known.
        text: stands in the place of the image; empty for an image.
    """

    image: Callable[[], Image]
    name: str
    words: str = ""
    relevant: bool | None = None
    text: str = ""


@dataclass(frozen=True)
class SheetRow:
    """A query of a sheet, and what was found for it.

    Args:
        classes: of the query, in words.
        query: its image; the words say which it is.
        tiles: what was found, the nearest first.
        found: what is said at the end, in few words.
    """

    classes: str
    query: Tile
    tiles: Sequence[Tile]
    found: str = ""


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

    def tile(gallery: Gallery, row: int, words: str, relevant: bool | None = None) -> Tile:
        return Tile(lambda: gallery.image(row), Path(gallery.files[row]).name, words, relevant)

    rows = []
    for one, classes in zip(shown, words, strict=True):
        found = zip(one.rows.tolist(), one.distances.tolist(), one.relevant.tolist(), strict=True)
        tiles = [tile(database, row, str(distance), relevant) for row, distance, relevant in found]
        query = tile(queries, one.query, f"row {one.query:,}")
        rows.append(SheetRow(classes, query, tiles, f"{int(one.relevant.sum())} of {len(one.rows)}"))
    draw_sheet(file, rows, title, caption, columns=max(len(row.tiles) for row in rows))


def draw_sheet(file: Path, rows: Sequence[SheetRow], title: str, caption: str, *, columns: int) -> None:
    """Draw queries and what was found for them.

    Args:
        file: the PNG to write.
        rows: the queries.
        title: one line.
        caption: everything that must be stated beside the images.
        columns: how many images stand side by side; where there are more of a query, they go on in a further line.
    """
    lines = [max(1, -(-len(row.tiles) // columns)) for row in rows]
    height, width = _ROW * _INCHES * sum(lines) + 0.3, _STEP * _INCHES * (columns + 1) + 2.2
    with page(file, height, title, caption, width=max(width, 8.2)) as figure:
        axes = figure.subplots()
        for rank in range(1, columns + 1 if max(lines) == 1 else 1):
            axes.text(rank * _STEP + 0.7, -0.1, str(rank), fontsize=8, color=FAINT_INK, ha="center")
        for y, row in zip(_ROW * np.cumsum([0, *lines[:-1]]), rows, strict=True):
            axes.text(-0.15, y, _wrapped(row.classes), fontweight="bold", ha="right", va="top", linespacing=1.2)
            axes.text(-0.15, y + 1, _name(row.query.words), fontsize=8, color=FAINT_INK, ha="right")
            _draw_tile(axes, row.query, 0.0, y, INK)
            _draw_tiles(axes, row.tiles, columns, y)
            axes.text(_STEP * (min(columns, len(row.tiles)) + 1) + 0.2, y + 0.5, row.found, va="center")
        axes.set(xlim=(0, _STEP * (columns + 1) + 0.2), ylim=(_ROW * sum(lines), -0.3), aspect="equal")
        axes.set_axis_off()


def _draw_tiles(axes: Any, tiles: Sequence[Tile], columns: int, top: float) -> None:
    for number, tile in enumerate(tiles):
        x, y = _STEP * (number % columns + 1) + 0.2, top + _ROW * (number // columns)
        _draw_tile(axes, tile, x, y, {True: RELEVANT, False: IRRELEVANT, None: FAINT_INK}[tile.relevant])
        axes.text(x + 0.5, y + 1.05, tile.words, fontsize=8, ha="center", va="top")


def _draw_tile(axes: Any, tile: Tile, x: float, y: float, colour: str) -> None:
    """Draw a text, or an image as large as fits, into a square with a border; a grey square names what cannot be shown."""
    ground = "#FFFFFF" if tile.text else "#E4E4E4"
    axes.add_patch(Rectangle((x, y), 1, 1, facecolor=ground, edgecolor=colour, linewidth=2.4, zorder=1))
    if tile.text:
        lines = textwrap.wrap(tile.text, _ACROSS, max_lines=_DOWN, placeholder=" …")
        words = "\n".join(lines)
        axes.text(x + 0.5, y + 0.5, words, fontsize=5.5, ha="center", va="center", linespacing=1.15, parse_math=False, zorder=3)
        return
    try:
        image = tile.image().convert("RGB")
    except BioDeepHashingError:
        name = textwrap.fill(shortened(tile.name, 36), 12)
        axes.text(x + 0.5, y + 0.5, f"no image\n{name}", fontsize=5.5, ha="center", va="center", zorder=3)
        return
    image.thumbnail((_PIXELS, _PIXELS))
    wide, high = ((1 - 2 * _INSET) * side / max(image.size) for side in image.size)
    left, top = x + (1 - wide) / 2, y + (1 - high) / 2
    axes.imshow(image, extent=(left, left + wide, top + high, top), aspect="equal", zorder=2)


def _name(words: str) -> str:
    """Return which query it is, in lines that fit beside it; a file's name is shortened in its middle."""
    return words if len(words) <= _LETTERS else shortened(words, _LETTERS + 2)


def _wrapped(classes: str) -> str:
    return "\n".join(textwrap.wrap(classes, _LETTERS, max_lines=_LINES, placeholder=" …"))
