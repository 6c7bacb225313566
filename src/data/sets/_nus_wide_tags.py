"""The tags that Flickr's users gave the photographs of NUS-WIDE."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np

from ...errors import DataError
from ..fetch.archives import Part
from ..prepare.label_table import lines_of

FOLDER = "NUS_WID_Tags"
PARTS = tuple(Part(f"{name}.txt", into=FOLDER) for name in ("All_Tags", "AllTags1k", "TagList1k"))
ADVICE = "run `python src/data/download/NUS_WIDE.py -tags`"


def read_all_tags(folder: Path, names: Sequence[str]) -> list[str]:
    """Read all tags of each photograph, separated by blanks; empty for one that has none.

    Args:
        folder: ``NUS_WID_Tags/All_Tags.txt``: number and tags of a photograph in each line, in any order.
        names: the n photographs, ``0001_2124494179.jpg`` is that of number 2124494179.

    Raises:
        DataError: naming file and line, if the file is missing or a line begins with no number.
    """
    file = folder / FOLDER / "All_Tags.txt"
    tags: dict[str, str] = {}
    with _opened(file) as stream:
        for row, line in enumerate(stream):
            number, *words = line.decode("utf-8", errors="replace").split() or [""]  # people wrote them, in any encoding
            if number and not number.isdecimal():
                raise DataError(f"line {row + 1} of {file} begins with {number!r}, not with the number of a photograph")
            tags.setdefault(number, " ".join(words))
    return [tags.get(name.rpartition("_")[2].partition(".")[0], "") for name in names]


def read_frequent_tags(folder: Path, names: Sequence[str]) -> list[str]:
    """Read which of the most frequent tags each photograph has, separated by blanks; empty for one that has none.

    Args:
        folder: ``NUS_WID_Tags/TagList1k.txt``, a tag in each line, and ``NUS_WID_Tags/AllTags1k.txt``, 0 or 1 for each of them in a line
            for each photograph.
        names: the n photographs, in the order of these lines.

    Raises:
        DataError: naming file and line, if a file is missing or has other lines.
    """
    table = folder / FOLDER / "AllTags1k.txt"
    tags = np.array([line.strip() for line in lines_of(folder / FOLDER / "TagList1k.txt", ADVICE)])
    lines = []
    with _opened(table) as stream:
        for row, line in enumerate(stream):
            digits = line.translate(None, b" \t\r\n")
            if len(digits) != len(tags) or digits.strip(b"01"):
                raise DataError(f"line {row + 1} of {table} does not hold a 0 or 1 for each of the {len(tags):,} tags of TagList1k.txt")
            lines.append(" ".join(tags[np.frombuffer(digits, np.uint8) == ord("1")]))
    if len(lines) != len(names):
        raise DataError(f"{table} has {len(lines):,} lines, but Imagelist.txt names {len(names):,} images")
    return lines


def _opened(file: Path) -> IO[bytes]:
    try:
        return file.open("rb")
    except FileNotFoundError as error:
        raise DataError(f"{file} is missing: {ADVICE}") from error
