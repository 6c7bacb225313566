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


@dataclass(frozen=True)
class Tile:
    """An image of a sheet.

    Args:
        image: opens it; what it raises for one that cannot be read is a BioDeepHashingError.
        name: of its file, shown in its place then.
        words: stand below it.
        relevant: whether it shares a class with the query, which its border tells; None where that is not known.
    """

    image: Callable[[], Image]
    name: str
    words: str = ""
    relevant: bool | None = None


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
    inner = (_WORDS + _TILE + _APART + columns * (_TILE + _GAP) + _FOUND, _RANKS + sum(lines) * (_TILE + _DISTANCE))
    width = max(inner[0] + 2 * _MARGIN, 8.2)
    figure, place = page(width, inner[1] - _FOOT, title, caption, head=_HEAD)  # what a page keeps free for numbers below an axis
    height = inner[1] / figure.get_figheight()
    axes = figure.add_axes((_MARGIN / width, place["top"] - height, inner[0] / width, height))
    first, y = _WORDS + _TILE + _APART, _RANKS
    for rank in range(columns if max(lines) == 1 else 0):
        axes.text(first + rank * (_TILE + _GAP) + _TILE / 2, 0, str(rank + 1), fontsize=8, color=FAINT_INK, ha="center", va="top")
    for row, count in zip(rows, lines, strict=True):
        axes.text(0, y, _wrapped(row.classes), fontsize=9, fontweight="bold", color=INK, va="top", linespacing=1.2)
        axes.text(0, y + _TILE, _name(row.query.words), fontsize=8, color=FAINT_INK, va="bottom")
        _draw_tile(axes, row.query, _WORDS, y, INK)
        _draw_tiles(axes, row.tiles, columns, first, y)
        axes.text(first + min(columns, len(row.tiles)) * (_TILE + _GAP), y + _TILE / 2, row.found, fontsize=9, color=INK, va="center")
        y += count * (_TILE + _DISTANCE)
    axes.set_xlim(0, inner[0])
    axes.set_ylim(inner[1], 0)
    axes.set_axis_off()
    save(figure, file)


def _draw_tiles(axes: Any, tiles: Sequence[Tile], columns: int, left: float, top: float) -> None:
    for number, tile in enumerate(tiles):
        line, column = divmod(number, columns)
        x, y = left + column * (_TILE + _GAP), top + line * (_TILE + _DISTANCE)
        _draw_tile(axes, tile, x, y, {True: RELEVANT, False: IRRELEVANT, None: FAINT_INK}[tile.relevant])
        axes.text(x + _TILE / 2, y + _TILE + 0.04, tile.words, fontsize=8, color=INK, ha="center", va="top")


def _draw_tile(axes: Any, tile: Tile, x: float, y: float, colour: str) -> None:
    """Draw an image as large as fits into a square with a border, or a grey square that names what cannot be shown."""
    axes.add_patch(Rectangle((x, y), _TILE, _TILE, facecolor="#E4E4E4", edgecolor=colour, linewidth=2.4, zorder=1))
    try:
        picture = tile.image().convert("RGB")
    except BioDeepHashingError:
        name = textwrap.fill(shortened(tile.name, 36), 12)
        axes.text(x + _TILE / 2, y + _TILE / 2, f"no image\n{name}", fontsize=5.5, color=INK, ha="center", va="center", zorder=3)
        return
    picture.thumbnail((_PIXELS, _PIXELS))
    wide, high = ((_TILE - 2 * _INSET) * side / max(picture.size) for side in picture.size)
    left, top = x + (_TILE - wide) / 2, y + (_TILE - high) / 2
    axes.imshow(picture, extent=(left, left + wide, top + high, top), aspect="auto", zorder=2)


def _name(words: str) -> str:
    """Return which query it is, in lines that fit beside it; a file's name is shortened in its middle."""
    return words if len(words) <= _LETTERS else shortened(words, _LETTERS + 2)


def _wrapped(classes: str) -> str:
    return "\n".join(textwrap.wrap(classes, _LETTERS, max_lines=_LINES, placeholder=" …"))
