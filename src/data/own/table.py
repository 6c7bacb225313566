"""A CSV table of somebody's own images: the columns ``file`` and ``labels``."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ..prepare.label_table import LabelTable
from ..prepare.labels import few

BLANK = " "  # the separator that stands for any blanks
_HEADER = ["file", "labels"]
_DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}


def read_table(file: Path, separator: str = BLANK) -> LabelTable:
    """Read a CSV table with the columns ``file`` and ``labels``, between which there is a comma, semicolon, tab or bar.

    A file is a path, absolute or from the table's directory. Labels are class names or numbers, none for an image without
    any; or, when those of the first image that has any are several and each 0 or 1, in every line a 0/1 vector.

    Args:
        file: the table.
        separator: what stands between the labels of an image; " " is any blanks.

    Returns:
        The images in the table's order; the classes are sorted by name, or numbered.

    Raises:
        DataError: naming the line, if the table is empty or no such table, a line has another number of columns, no
            file, a class twice, a label that looks like several, or a vector has a label other than 0 or 1 or another number of
            them than the first.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "pets.csv"
        >>> _ = file.write_text('file,labels\\ncat.jpg,cat\\n"cat, dog.jpg",cat dog\\nchair.jpg,\\n')
        >>> table = read_table(file)
        >>> table.paths, table.classes, table.labels.tolist()
        (['cat.jpg', 'cat, dog.jpg', 'chair.jpg'], ['cat', 'dog'], [[1, 0], [1, 1], [0, 0]])
        >>> read_table(file, ";").classes
        ['cat', 'cat dog']
    """
    lines, paths, cells = read_cells(file)
    classes, vectors, form = labels_of(file, cells, lines, separator)
    if (delimiter := _delimiter(file)) != ",":
        form += f", columns separated by {_DELIMITERS[delimiter]}"
    return LabelTable(file.parent, paths, vectors, classes, lines.__getitem__, form=form)


def read_cells(file: Path) -> tuple[list[str], list[str], list[str]]:
    """Return of each item of a CSV table where it is written, its file and its labels, as they are written; see :func:`read_table`.

    Raises:
        DataError: naming the line, as :func:`read_table` does.
    """
    rows = list(_rows(file, _delimiter(file)))
    if not rows:
        raise DataError(f"{file} names no images")
    numbers, paths, cells = zip(*rows, strict=True)
    return [f"line {number} of {file}" for number in numbers], list(paths), list(cells)


def labels_of(
    file: Path, cells: Sequence[str], lines: Sequence[str], separator: str = BLANK
) -> tuple[list[str], NDArray[np.uint8], str]:  # fmt: skip
    """Return classes, label vectors (n, C), and how the labels are written, of n cells; see :func:`read_table`.

    Args:
        file: where they come from, for messages.
        cells: labels of each item.
        lines: where each is written.
        separator: what stands between the labels of a cell.

    Raises:
        DataError: naming the line, as :func:`read_table` does.
    """
    labels = [_labels(cell, separator) for cell in cells]
    first = next((row for row, row_labels in enumerate(labels) if row_labels), None)
    if first is None:
        raise DataError(f"{file} holds no labels at all: write class names, separated by blanks, into its last column")
    if len(labels[first]) > 1 and set(labels[first]) <= {"0", "1"}:
        return *_numbered(labels, lines, first), "0/1 vectors"
    return *_named(labels, lines, separator), _form(labels, separator)


def _labels(cell: str, separator: str) -> list[str]:
    """Return the labels of a cell."""
    parts = cell.split() if separator == BLANK else cell.split(separator)
    return [" ".join(part.split()) for part in parts if part.strip()]


def _form(labels: Sequence[list[str]], separator: str) -> str:
    """Return in words how a table writes its labels, and whether they may be parts of names with blanks."""
    numbers = all(name.isdecimal() for row_labels in labels for name in row_labels)
    kind = "class number" if numbers else "class name"
    if all(len(row_labels) < 2 for row_labels in labels):
        return f"one {kind} per line"
    if separator != BLANK:
        return f"{kind}s separated by {separator!r}"
    together = Counter(tuple(row_labels) for row_labels in labels if len(row_labels) > 1)
    if numbers or not _may_be_names(together, Counter(name for row_labels in labels for name in row_labels)):
        return f"{kind}s separated by blanks"
    names = few([repr(" ".join(row_labels)) for row_labels in together])
    return f"{kind}s separated by blanks (should {names} be one name each: -separator ';' keeps names with blanks whole)"


def _may_be_names(together: Counter[tuple[str, ...]], counts: Counter[str]) -> bool:
    """Tell labels that may be words of names: each combination repeats, and has a label of its own, or no label ever stands alone."""
    inside = Counter[str]()
    for row_labels, count in together.items():
        inside.update(dict.fromkeys(row_labels, count))
    bound = all(count in [counts[name] for name in row_labels] for row_labels, count in together.items())
    return min(together.values()) > 1 and (bound or all(counts[name] == count for name, count in inside.items()))


def _delimiter(file: Path) -> str:
    """Return what separates the columns of a table, after its first line."""
    with file.open(encoding="utf-8-sig", errors="surrogateescape") as stream:
        line = stream.readline()
    cells = {delimiter: [cell.strip(' "\n') for cell in line.split(delimiter)] for delimiter in _DELIMITERS}
    return next((delimiter for delimiter, header in cells.items() if header == _HEADER), ",")


def _rows(file: Path, delimiter: str) -> Iterator[tuple[int, str, str]]:
    """Return line number, path and labels of every image in a table."""
    ended = 0  # the last line that was understood
    try:
        with file.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
            reader = csv.reader(_text_only(file, stream), delimiter=delimiter, strict=True)
            header = next(reader, [])
            if [cell.strip() for cell in header] != _HEADER:
                raise DataError(
                    f"line 1 of {file} is {','.join(header)!r}, not `{','.join(_HEADER)}`, the names of its columns: "
                    f"write that line, and a comma between the columns of every line"
                )
            ended = reader.line_num
            for cells in reader:
                ended = reader.line_num
                if not any(cell.strip() for cell in cells):
                    continue
                if len(cells) != 2 or not cells[0].strip():
                    raise DataError(
                        f"line {reader.line_num} of {file} is not `<file>{delimiter}<labels>` but has {len(cells)} columns"
                        f"{' or no file' if len(cells) == 2 else ''}: a path with {_DELIMITERS[delimiter]} is put in double quotes, "
                        f"labels likewise"
                    )
                yield reader.line_num, cells[0].strip().replace("\\", "/"), cells[1]
    except csv.Error as error:
        raise DataError(
            f"line {ended + 1} of {file} is no line of a CSV table ({error}): is a double quote closed, and doubled inside?"
        ) from error


def _text_only(file: Path, lines: Iterable[str]) -> Iterator[str]:
    """Pass lines on that are UTF-8; what is not was read as surrogates."""
    for number, line in enumerate(lines, start=1):
        if any("\ud800" <= letter <= "\udfff" for letter in line):
            raise DataError(f"line {number} of {file} is not UTF-8: save the table as CSV in UTF-8")
        yield line


def _numbered(labels: Sequence[list[str]], lines: Sequence[str], first: int) -> tuple[list[str], NDArray[np.uint8]]:
    count = len(labels[first])
    for row_labels, line in zip(labels, lines, strict=True):
        if len(row_labels) != count:
            raise DataError(
                f"{line} has {len(row_labels)} labels, but {lines[first]} has {count}, a vector of 0 and 1: if these are class numbers, "
                f"let the table begin with an image that has another one"
            )
        if wrong := [label for label in row_labels if label not in ("0", "1")]:
            raise DataError(f"{line} has the label {wrong[0]}, but those of {lines[first]} are a vector of 0 and 1")
    return [str(number) for number in range(count)], np.array(labels, dtype=np.uint8)


def _named(labels: Sequence[list[str]], lines: Sequence[str], separator: str) -> tuple[list[str], NDArray[np.uint8]]:
    words = "blanks" if separator == BLANK else repr(separator)
    for row_labels, line in zip(labels, lines, strict=True):
        if len(set(row_labels)) != len(row_labels):
            raise DataError(f"{line} has a class twice: {' '.join(row_labels)}")
        if row_labels and row_labels[0].startswith("[") and row_labels[-1].endswith("]"):
            raise DataError(f"{line} has labels in brackets, {' '.join(row_labels)}: write them without, separated by {words}")
        if wrong := [name for name in row_labels if set(name) & set(",;|") or re.fullmatch("[01]( [01])+", name)]:
            raise DataError(
                f"{line} has the class {wrong[0]!r}: classes are separated by {words} (-separator TEXT says by what else), "
                f"their names hold none of , ; | and are no vectors of 0 and 1"
            )
    classes = sorted({name for row_labels in labels for name in row_labels})
    column = {name: number for number, name in enumerate(classes)}
    vectors = np.zeros((len(labels), len(classes)), dtype=np.uint8)
    for row, row_labels in enumerate(labels):
        vectors[row, [column[name] for name in row_labels]] = 1
    return classes, vectors
