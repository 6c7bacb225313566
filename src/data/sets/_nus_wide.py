"""NUS-WIDE (Chua et al., NUS-WIDE: A real-world web image database from National University of Singapore, CIVR 2009)."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ..prepare.content import is_safe
from ..prepare.label_table import LabelTable

CONCEPTS = 81
IMAGES = "images"
SOURCE = "https://lms.comp.nus.edu.sg/wp-content/uploads/2019/research/nuswide/ (lists and ground truth; images from Flickr)"
ADVICE = "run `python src/data/download/NUS_WIDE.py`"


def read(folder: Path) -> LabelTable:
    """Read all concepts of all images, those not on disk included; columns in alphabetical order of the concepts.

    Args:
        folder: ``ImageList/Imagelist.txt``, ``ConceptsList/Concepts81.txt`` and ``AllLabels/Labels_<concept>.txt``; images
            as ``images/<folder>/<file>``, as the list has them, or ``images/<file>``.

    Raises:
        DataError: naming file and line, when a file is missing or holds something else.
    """
    listed = folder / "ImageList" / "Imagelist.txt"
    names = [line.strip().replace("\\", "/") for line in _lines(listed)]
    for row, name in enumerate(names):
        if not all(is_safe(part) for part in name.split("/")):
            raise DataError(f"line {row + 1} of {listed} is {name!r}, which is no path of an image")
    file = folder / "ConceptsList" / "Concepts81.txt"
    concepts = sorted({line.strip() for line in _lines(file)} - {""})
    if len(concepts) != CONCEPTS or not all(is_safe(name) for name in concepts):
        raise DataError(f"{file} holds {len(concepts)} concepts, not {CONCEPTS}: delete it and {ADVICE}")
    labels = np.stack([_column(folder / "AllLabels" / f"Labels_{name}.txt", len(names)) for name in concepts], axis=1)
    form = "a file of 0 and 1 per concept"
    return LabelTable(folder, _places(folder, names), labels, concepts, lambda row: f"line {row + 1} of {listed}", form=form)


def frequent(table: LabelTable, least: int) -> LabelTable:
    """Keep the concepts of at least so many images, the most frequent first, and the images that have one of them.

    Frequencies are those of the published labels, whatever images are on disk, so columns are the same everywhere.

    Args:
        table: all concepts.
        least: images a concept must have.

    Raises:
        DataError: when no concept has that many.
    """
    counts = table.labels.sum(axis=0, dtype=np.int64)
    columns = [column for column in np.argsort(-counts, kind="stable") if counts[column] >= least]
    if not columns:
        raise DataError(f"no concept has {least:,} images: {ADVICE}")
    return table.rows(np.flatnonzero(table.labels[:, columns].any(axis=1))).columns(columns)


def on_disk(table: LabelTable) -> tuple[LabelTable, str]:
    """Keep the images that are on disk, and say how many these are where some are missing."""
    present = table.present()
    rows = np.flatnonzero(present)
    return table.rows(rows), "" if present.all() else f"{len(rows):,} of {len(table):,} images"


def _places(folder: Path, names: list[str]) -> list[str]:
    """Return where the images lie: in the folders of the list, or all in one."""
    flat = {entry.name for entry in os.scandir(folder / IMAGES) if entry.is_file()} if (folder / IMAGES).is_dir() else set()
    return [f"{IMAGES}/{base if (base := name.rpartition('/')[2]) in flat else name}" for name in names]


def _column(file: Path, count: int) -> NDArray[np.uint8]:
    lines = [line.strip() for line in _lines(file)]
    if len(lines) != count:
        raise DataError(f"{file} has {len(lines):,} lines, but Imagelist.txt names {count:,} images")
    if set(lines) - {"0", "1"}:
        row = next(row for row, line in enumerate(lines) if line not in ("0", "1"))
        raise DataError(f"line {row + 1} of {file} is {lines[row]!r}, but a label is 0 or 1")
    return np.frombuffer("".join(lines).encode(), dtype=np.uint8) - np.uint8(ord("0"))


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text("utf-8").rstrip().splitlines()
    except FileNotFoundError as error:
        raise DataError(f"{file} is missing: {ADVICE}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is damaged ({error}): delete it and {ADVICE}") from error
