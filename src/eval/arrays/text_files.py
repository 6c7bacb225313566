"""Tables in text files: whatever stands between the columns, with or without a heading and an index column, numbers or names."""

from __future__ import annotations

import csv
import gzip
import re
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError

ENDINGS = (".tsv", ".csv", ".txt")
_BETWEEN = {"\t": "tabs", ";": "semicolons", ",": "commas", None: "blanks"}
_USUAL = {".tsv": "\t", ".csv": ",", ".txt": None}
_EXACT = 2**53  # whole numbers beyond it are not all float64


@dataclass(frozen=True)
class Margins:
    """What surrounds the table in a text file.

    Args:
        heading: whether the first row is a heading; None to find out.
        index: whether the first column counts or names the rows; None to find out.
    """

    heading: bool | None = None
    index: bool | None = None


UNKNOWN = Margins()


@dataclass(frozen=True)
class Table:
    """A table as found in a text file.

    Args:
        values: float64, whole numbers of 64 bits where float64 does not hold them, or names, (rows, columns).
        notes: how it was read, where that does not go without saying.
        perhaps_heading: what the first row looks like, where it may be a heading as well as data; else empty.
    """

    values: NDArray[Any]
    notes: tuple[str, ...]
    perhaps_heading: str


def read_text(file: Path, margins: Margins, *, names: bool) -> Table:
    """Read a table from a text file, compressed by gzip where its name ends in ``.gz``.

    A first row is a heading where it cannot be data: names above numbers, an empty first cell, or the numbers of three or more columns
    above bits or features. A first column is an index where the heading leaves its cell empty, where it holds names beside numbers, or
    where it counts the rows.

    Args:
        file: the file.
        margins: what is known of heading and index column.
        names: whether a column of names may be meant.

    Raises:
        DataError: for anything but a table.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "codes.csv"
        >>> _ = file.write_text(",0,1,2\\n0,1,-1,1\\n1,-1,-1,1\\n")
        >>> table = read_text(file, Margins(), names=False)
        >>> table.values.tolist(), table.notes
        ([[1.0, -1.0, 1.0], [-1.0, -1.0, 1.0]], ("heading '0, 1, 2' left out", 'index column left out'))
    """
    lines = _lines(file)
    if not lines:
        return Table(np.empty((0, 1)), (), "")
    usual = _USUAL[ending_of(file)]
    between = _delimiter(lines[0], usual)
    head, unnamed, heading = _head(lines, between, margins.heading)
    body = lines[heading:] if names else _with_bits_apart(lines[heading:], between)
    index = unnamed or _is_named(body, between, names) if margins.index is None else margins.index
    values = _body(file, body, between, index, names)
    counted = margins.index is None and not index and _count_rows(values)
    values, index = (values[:, 1:], True) if counted else (values, index)
    settled = heading or counted or margins.heading is False
    perhaps = "" if settled or not _is_heading_like(head[index:], values) else _outline(head[index:])
    if perhaps and values.shape[1] > 2 and _cannot_count(values[1:]):
        values, heading, perhaps = values[1:], True, ""
    kinds = (
        (heading, heading_note(_outline(head[index:]))),
        (index, "index column left out"),
        (body[-1:] != lines[-1:], "nothing between the bits"),
    )
    notes = [f"{_BETWEEN[between]} between the columns"] if between != usual and values.shape[1] > 1 else []
    return Table(values, (*notes, *(words for there, words in kinds if there)), perhaps)


def heading_note(outline: str) -> str:
    """Return the words that say which first row was no data."""
    return f"heading {outline!r} left out"


def ending_of(file: Path) -> str:
    """Return the ending of a file's name, without that of a compression.

    Example:
        >>> ending_of(Path("codes.CSV.gz")), ending_of(Path("codes.npy.gz"))
        ('.csv', '.gz')
    """
    inner = Path(file.stem).suffix.lower()
    return inner if file.suffix.lower() == ".gz" and inner in ENDINGS else file.suffix.lower()


def in_short(error: Exception) -> str:
    """Return the message of an error of NumPy's, without its advice to programmers and with all rows counted from 1.

    Example:
        >>> in_short(ValueError("could not convert string 'a' to float64 at row 0, column 2."))
        "could not convert string 'a' to float64 at row 1, column 2"
        >>> in_short(ValueError("the number of columns changed from 2 to 1 at row 2; use `usecols` to select a subset"))
        'the number of columns changed from 2 to 1 at row 2'
    """
    words = str(error).partition("; use ")[0].removesuffix(".")
    return re.sub(r"at row (\d+), column", lambda found: f"at row {int(found[1]) + 1}, column", words)  # other messages count from 1


def _lines(file: Path) -> list[str]:
    """Return the lines of a file that hold anything, without the mark that some programs begin a file with."""
    try:
        content = gzip.decompress(file.read_bytes()) if file.suffix.lower() == ".gz" else file.read_bytes()
        text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{file} is truncated or not compressed by gzip: {error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not a table: it is no text in UTF-8 ({error})") from error
    return [line for line in text.splitlines() if line.strip()]


def _delimiter(line: str, usual: str | None) -> str | None:
    """Return what stands between the columns: what the ending promises or, where a line has none of it, what the line has."""
    return next((mark for mark in (usual, "\t", ";", ",") if mark and mark in line), None)


def _cells(line: str, between: str | None) -> list[str]:
    cells = next(csv.reader([line], delimiter=between)) if between else [cell.strip('"') for cell in line.split()]
    return [cell.strip() for cell in cells]


def _head(lines: Sequence[str], between: str | None, heading: bool | None) -> tuple[list[str], bool, bool]:
    """Return the cells of the first line, whether they leave out the cell above an index, and whether they can be no data."""
    head, second = _cells(lines[0], between), [cell for line in lines[1:2] for cell in _cells(line, between)]
    if heading is False:
        return head, False, False
    named = any(cell and not _is_number(cell) for cell in head)
    beside = len(head) == len(second) - 1 and all(map(_is_number, second[1:]))
    if beside and (named or _is_consecutive(head)):  # R writes no cell above the names of the rows
        head = ["", *head]
    unnamed = len(head) > 1 and not head[0] and (named or _is_consecutive(head[1:]))
    above = any(cell and not _is_number(cell) and _is_number(below) for cell, below in zip(head, second, strict=False))
    return head, unnamed, heading or unnamed or above


def _with_bits_apart(lines: list[str], between: str | None) -> list[str]:
    """Return lines that hold a code as in 0110, perhaps after an index, with something between its bits; others as they are.

    Such codes are equally long. Numbers begin with no 0, and eight digits that are all 0 or 1 are no accident.
    """
    if not lines or len(_cells(lines[0], between)) > 2:
        return lines
    rows = [_cells(line, between) for line in lines]
    codes = [row[-1] for row in rows]
    if len({len(code) for code in codes}) > 1 or not set("".join(codes)) <= {"0", "1"}:
        return lines
    if len(codes[0]) < 2 or (len(codes[0]) < 8 and all(code[0] == "1" for code in codes)):
        return lines
    return [(between or " ").join((*row[:-1], *row[-1])) for row in rows]


def _body(file: Path, lines: Sequence[str], between: str | None, index: bool, names: bool) -> NDArray[Any]:
    """Return the rows as numbers or, where they are none, as names."""
    columns = range(1, len(_cells(lines[0], between))) if index and lines else None
    try:
        values = _numbers(lines, between, columns, np.float64)
    except ValueError as error:
        if names and (found := _names(lines, between, index)) is not None:
            return found
        raise DataError(f"{file} is not a table of numbers with {_BETWEEN[between]} between them: {in_short(error)}") from error
    if values.size == 0 or np.abs(values).max() < _EXACT or not (values == np.floor(values)).all():
        return values
    try:
        return _numbers(lines, between, columns, np.int64 if values.min() < 0 else np.uint64)
    except (ValueError, OverflowError) as error:
        raise DataError(f"{file} holds whole numbers beyond 2^53 that are not written in full: {in_short(error)}") from error


def _numbers(lines: Sequence[str], between: str | None, columns: range | None, kind: type[np.generic]) -> NDArray[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # "input contained no data": an empty array says so itself
        return np.loadtxt(lines, dtype=kind, delimiter=between, ndmin=2, comments=None, quotechar='"', usecols=columns)


def _names(lines: Sequence[str], between: str | None, index: bool) -> NDArray[np.str_] | None:
    """Return one name per line, (rows, 1), or None where lines hold more, or none; without a delimiter blanks belong to the name."""
    rows = [_cells(line, between)[index:] if between else [line.strip().strip('"')] for line in lines]
    if any(len(row) != 1 or not row[0] for row in rows):
        return None
    words = np.array(rows, dtype=np.str_)
    listed = between is None and any(" " in row[0] for row in rows) and len(np.unique(words)) == len(words) > 1
    return None if listed else words  # a file and its class on every line, for instance


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _is_named(lines: Sequence[str], between: str | None, names: bool) -> bool:
    """Return whether the first row is a name and numbers; a name with blanks in it may end with one."""
    cells = _cells(lines[0], between) if lines and (between or not names) else [""]
    return len(cells) > 1 and not _is_number(cells[0]) and all(map(_is_number, cells[1:]))


def _is_consecutive(cells: Sequence[str]) -> bool:
    """Return whether cells are 0, 1, 2, ... or 1, 2, 3, ..., as columns without names are headed; one column alone is headed 0."""
    return any(list(cells) == [str(first + at) for at in range(len(cells))] for first in ((0, 1) if len(cells) > 1 else (0,)))


def _count_rows(values: NDArray[Any]) -> bool:
    """Return whether the first of several columns counts more than two rows, from 0 or 1."""
    if values.dtype.kind == "U" or values.shape[1] < 2 or len(values) < 3:
        return False
    return values[0, 0] in (0, 1) and bool((values[:, 0] == values[0, 0] + np.arange(len(values))).all())


def _cannot_count(values: NDArray[Any]) -> bool:
    """Return whether entries are bits or features, so that a row above them that counts its columns is none of theirs."""
    return values.dtype.kind != "U" and bool(np.isin(values, (-1, 0, 1)).all() or (values != np.floor(values)).any())


def _is_heading_like(head: Sequence[str], values: NDArray[Any]) -> bool:
    return len(values) > 1 and (values.dtype.kind == "U" or _is_consecutive(head))


def _outline(head: Sequence[str]) -> str:
    return ", ".join(head if len(head) < 4 else [head[0], head[1], "...", head[-1]])
