"""What ``query.py`` leaves in a directory: a sheet, a table and copies of the neighbours of each query."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from ...errors import UsageError
from ...eval.figures.query_examples import SheetRow, Tile, draw_sheet
from ...runs import home, replacing, write_csv
from ...search.results import TIE_RULES, Neighbour, Result
from .question import Query, Question
from .searched_run import SearchedRun, stored_image

_COLUMNS = 10
_COLUMN_NAMES = ("rank", "id", "distance", "path", "classes", "relevant")


@dataclass(frozen=True)
class Answered:
    """What a run found in one of its views.

    Args:
        searched: the run.
        question: how was searched.
        pairs: the queries and what was found for each.
    """

    searched: SearchedRun
    question: Question
    pairs: Sequence[tuple[Query, Result]]


def save_results(answered: Answered, folder: Path, *, several: bool, replace: bool) -> list[Path]:
    """Write what a run found, and return the sheets.

    Args:
        answered: the queries and what was found.
        folder: where to write.
        several: whether other runs write to the same folder: file names then begin with the rule.
        replace: whether to replace files that are there.
    """
    sheets, searched, texts = [], answered.searched, answered.question.view == "text"
    for query, result in answered.pairs:
        name = _safe(Path(result.source).stem if query.image is not None and ":" not in result.source else result.source)
        name = f"{name}-in-text" if texts else name
        name = f"{_safe(str(searched.hparams.get('mode', searched.run.method)))}-{name}" if several else name
        sheet = folder / f"{name}-neighbours.png"
        sheets.append(sheet)
        if sheet.exists() and not replace:
            print(f"skipped: {sheet} is there (-no_skip replaces it)")
            continue
        if not texts:
            _copy_neighbours(result, folder, name, replace)
        rows = [(one.rank, one.id, one.distance, one.path, ";".join(one.classes), "" if one.relevant is None else int(one.relevant),
                 *([one.text] if texts else [])) for one in result.neighbours]  # fmt: skip
        write_csv(folder / f"{name}-neighbours.csv", (*_COLUMN_NAMES, *(["text"] if texts else [])), rows)
        _draw(sheet, searched, query, result, answered.question)
        print(sheet)
    return sheets


def check_display() -> None:
    """Refuse to show anything where there is no desktop.

    Raises:
        UsageError: naming what to do.
    """
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise UsageError("there is no display for -show: leave it out, and -save_path DIR writes the sheet")
    if sys.platform.startswith("linux") and shutil.which("xdg-open") is None:
        raise UsageError("-show opens a sheet by xdg-open, which is not installed: leave it out, and -save_path DIR writes the sheet")


def show_sheets(sheets: Sequence[Path]) -> None:
    """Open sheets in the desktop's viewer."""
    for sheet in sheets:
        if sys.platform == "win32":
            os.startfile(sheet)
        else:
            subprocess.run(["open" if sys.platform == "darwin" else "xdg-open", str(sheet)], check=False)


def _draw(file: Path, searched: SearchedRun, query: Query, result: Result, question: Question) -> None:
    one_line = len(result.neighbours) <= _COLUMNS

    def tile(one: Neighbour) -> Tile:
        words = str(one.distance) if one_line else f"{one.rank} · {one.distance}"
        return Tile(lambda: stored_image(one.path), Path(one.path).name, words, one.relevant, one.text)

    tiles = [tile(one) for one in result.neighbours]
    classes = ", ".join(result.classes) if result.classes else f"predicted {result.prediction.name}" if result.prediction else ""
    hits = "" if result.hits is None else f"{result.hits} of {len(tiles)}"
    image = query.image or no_image
    source = "" if query.source == query.text else Path(result.source).name
    row = SheetRow(classes, Tile(image, result.source, source, text=query.text), tiles, hits)
    colours = "Green: shares a class with the query; red: shares none. " if result.hits is not None else ""
    predicted = f"Predicted {result.prediction}. " if result.prediction else ""
    below = "Hamming distance" if len(tiles) <= _COLUMNS else "rank and Hamming distance"
    note = f"{'The image was ' if query.image else 'Words '}{result.note}. " if result.note else ""
    index = searched.index(question.view)
    caption = (
        f"{predicted}{note}Below the {question.view}s: {below}; {result.ties}; order: {TIE_RULES[question.ties]}. {colours}"
        f"{len(index):,} items, {index.facts.bits} bits, {index.facts.checkpoint}."
    )
    words = [searched.run.database, *(str(searched.hparams[key]) for key in ("loss", "mode") if key in searched.hparams)]
    title = f"{', '.join(words)}: nearest {question.view}s"
    draw_sheet(file, [row], title, caption, columns=min(_COLUMNS, max(1, len(tiles))))


def no_image() -> Image.Image:
    """Raise what stands for the image of a bare code."""
    raise UsageError("a code has no image")


def _copy_neighbours(result: Result, folder: Path, name: str, replace: bool) -> None:
    for one in result.neighbours:
        source, target = home() / one.path, folder / f"{name}-{one.rank:02d}-d{one.distance}-{_safe(Path(one.path).name)}"
        if source.is_file() and (replace or not target.exists()):
            with replacing(target) as temporary:
                shutil.copyfile(source, temporary)


def _safe(name: str) -> str:
    """Return a name that every file system takes."""
    return re.sub(r"[^\w.+=-]+", "_", name).strip("_")[:100] or "query"
