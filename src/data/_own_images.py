"""Somebody's own images: what a folder of class folders, or a CSV table, says about them."""

from __future__ import annotations

import csv
import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ._label_table import LabelTable, distinct_names
from ._splits import one_hot

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
_HEADER = ["file", "labels"]
_FOLD_NAMES = {"train", "training", "val", "valid", "validation", "test", "query", "database"}
_TABLE = "or name a CSV file with the columns `file,labels`"
_LONGEST = 200  # bytes of a file name; a file system allows for 255


def read_own(place: Path) -> tuple[LabelTable, list[str]]:
    """Read a folder of class folders or a CSV table.

    Args:
        place: the folder or the file.

    Returns:
        The images and their labels, and in words what was left out.

    Raises:
        DataError: when there is neither, or it cannot be used; see :func:`read_folder` and :func:`read_table`.
    """
    if place.is_dir():
        table, left_out = read_folder(place)
    elif place.is_file():
        table, left_out = read_table(place), []
        table.check_present("mend that line, or bring the image there")
    else:
        raise DataError(f"there is no folder or file {place}")
    _check_distinct(table)
    return table, left_out


def read_folder(folder: Path) -> tuple[LabelTable, list[str]]:
    """Read a folder with one sub-folder per class, in which the images lie at any depth.

    Which files are images is told by the endings of their names. Links to files and linked class folders are followed,
    linked folders below these are not; what is hidden (its name begins with a dot) is left out.

    Args:
        folder: the folder.

    Returns:
        The images in the order of their paths, whose classes are those of the sub-folders' names; and in words what was left out.

    Raises:
        DataError: when there are no class folders, only one, one without images, images beside the class folders, or
            folders that look like the folds of a split.
    """
    left_out: Counter[str] = Counter()
    entries = sorted(_visible(os.scandir(folder), left_out), key=lambda entry: entry.name)
    classes = [entry.name for entry in entries if entry.is_dir()]
    beside = [entry.name for entry in entries if not entry.is_dir() and not _skip(entry.name, left_out)]
    _check_classes(folder, classes, beside)
    paths: list[str] = []
    numbers: list[int] = []
    for number, name in enumerate(classes):
        found = sorted(_images_below(folder / name, left_out))
        if not found:
            raise DataError(f"the class folder {folder / name} holds no images ({', '.join(SUFFIXES)}): add some, or remove it")
        paths += [f"{name}/{path}" for path in found]
        numbers += [number] * len(found)
    labels = one_hot(np.array(numbers), len(classes))
    table = LabelTable(folder, paths, labels, classes, lambda row: f"of the class {classes[numbers[row]]}")
    return table, [f"{count:,} {what}" for what, count in sorted(left_out.items())]


def read_table(file: Path) -> LabelTable:
    """Read a CSV table with the columns ``file`` and ``labels``.

    A file is a path, absolute or from the table's folder. Labels are separated by blanks: class names, none for an image
    without any; or, when those of the first image that has any are several and each 0 or 1, in every line a 0/1 vector.

    Args:
        file: the table.

    Returns:
        The images in the table's order; the classes are sorted by name, or numbered.

    Raises:
        DataError: naming the line, when the table is empty or no such table, a line has another number of columns, no
            file, a class twice, a label other than 0 or 1 or another number of them than the first, and when all images have the
            same labels.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "pets.csv"
        >>> _ = file.write_text('file,labels\\ncat.jpg,cat\\n"cat, dog.jpg",cat dog\\nchair.jpg,\\n')
        >>> table = read_table(file)
        >>> table.paths, table.classes, table.labels.tolist()
        (['cat.jpg', 'cat, dog.jpg', 'chair.jpg'], ['cat', 'dog'], [[1, 0], [1, 1], [0, 0]])
    """
    rows = list(_rows(file))
    if not rows:
        raise DataError(f"{file} names no images")
    numbers, paths, labels = zip(*rows, strict=True)
    lines = [f"line {number} of {file}" for number in numbers]
    first = next((row for row, found in enumerate(labels) if found), None)
    if first is None:
        raise DataError(f"{file} holds no labels at all: write class names, separated by blanks, into the second column")
    if len(labels[first]) > 1 and set(labels[first]) <= {"0", "1"}:
        classes, vectors = _numbered(labels, lines, first)
        if not vectors.any(axis=0).all():
            place = int(vectors.any(axis=0).argmin()) + 1
            raise DataError(f"no image of {file} has a 1 in place {place} of its labels: leave that place out")
    else:
        classes, vectors = _named(labels, lines)
    if (vectors == vectors[0]).all():
        raise DataError(f"all images of {file} have the same labels, so that each would be right for every query: two classes are needed")
    return LabelTable(file.parent, list(paths), vectors, classes, lines.__getitem__)


def fingerprint(table: LabelTable) -> str:
    """Return a checksum of the names, sizes and labels of all images."""
    state = hashlib.sha256("\n".join(table.classes).encode(errors="surrogateescape"))
    for path, row in zip(table.paths, table.labels, strict=True):
        state.update(f"\n{path}\n{(table.folder / path).stat().st_size}\n".encode(errors="surrogateescape") + row.tobytes())
    return state.hexdigest()


def file_names(paths: Sequence[str]) -> list[str]:
    """Return a safe file name for every path, no two the same: what no metadata line can hold is replaced.

    A relative path brings its folders along, joined by dashes; an absolute one, whose folders are a machine's, does not.

    Example:
        >>> file_names(["cat/1.jpg", "dog/1.jpg", "cat/a,b.jpg", "cat/.._c.jpg", "/else/where/1.jpg"])
        ['cat-1.jpg', 'dog-1.jpg', 'cat-a_b.jpg', 'cat-.._c.jpg', '1.jpg']
    """
    return distinct_names([_safe(path) for path in paths])


def _safe(path: str) -> str:
    parts = [part for part in path.split("/") if part not in ("", ".", "..")]
    parts = parts[-1:] if Path(path).is_absolute() else parts
    name = "".join(letter if letter.isprintable() and letter not in ',:\\<>"|?*' else "_" for letter in "-".join(parts))
    return name.encode()[-_LONGEST:].decode(errors="ignore").strip(" .") or "_"


def _visible(entries: Iterator[os.DirEntry[str]], left_out: Counter[str]) -> Iterator[os.DirEntry[str]]:
    for entry in entries:
        if entry.name.startswith("."):
            left_out["hidden"] += 1
        else:
            yield entry


def _skip(name: str, left_out: Counter[str]) -> bool:
    """Tell by its ending whether a file is no image, and count it."""
    suffix = Path(name).suffix.lower()
    if suffix in SUFFIXES:
        return False
    left_out[suffix or "without an ending"] += 1
    return True


def _images_below(folder: Path, left_out: Counter[str]) -> Iterator[str]:
    for entry in _visible(os.scandir(folder), left_out):
        if entry.is_dir(follow_symlinks=False):
            yield from (f"{entry.name}/{path}" for path in _images_below(Path(entry.path), left_out))
        elif entry.is_dir():
            left_out["linked folders"] += 1
        elif not _skip(entry.name, left_out):
            if not entry.is_file():
                raise DataError(f"{entry.path} is a link that leads nowhere: mend or remove it")
            yield entry.name


def _check_classes(folder: Path, classes: list[str], beside: list[str]) -> None:
    if beside:
        raise DataError(
            f"{folder} holds {len(beside):,} images that lie in no class folder, the first is {beside[0]}: "
            f"move them into one sub-folder per class, or elsewhere, {_TABLE}"
        )
    if len(classes) < 2:
        what = f"only one sub-folder, {classes[0]}" if classes else "no sub-folders"
        raise DataError(f"{folder} holds {what}, but each sub-folder is a class, and two are needed: sort the images, {_TABLE}")
    if {name.lower() for name in classes} <= _FOLD_NAMES:
        raise DataError(
            f"the sub-folders of {folder} ({', '.join(classes)}) look like the folds of a split and would become classes: "
            f"name one of them, {_TABLE}"
        )
    for name in classes:
        if not name.isprintable() or name != name.strip():
            raise DataError(f"the class folder {name!r} in {folder} has an outer blank or a character that cannot be shown: rename it")


def _check_distinct(table: LabelTable) -> None:
    """Refuse a file that occurs twice: both might end up in folds that should share nothing."""
    seen: dict[tuple[int, int], int] = {}
    for row, path in enumerate(table.paths):
        facts = (table.folder / path).stat()
        first = seen.setdefault((facts.st_dev, facts.st_ino), row)
        if first != row:
            raise DataError(
                f"{path} ({table.where(row)}) and {table.paths[first]} ({table.where(first)}) are the same file: leave one out; "
                f"an image of several classes has one line in a CSV file"
            )


def _rows(file: Path) -> Iterator[tuple[int, str, list[str]]]:
    """Return line number, path and labels of every image in a table."""
    ended = 0  # the last line that was understood
    try:
        with file.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
            reader = csv.reader(_text_only(file, stream), strict=True)
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
                        f"line {reader.line_num} of {file} is not `<file>,<labels>` but has {len(cells)} columns"
                        f"{' or no file' if len(cells) == 2 else ''}: a path with a comma is put in double quotes"
                    )
                yield reader.line_num, cells[0].strip().replace("\\", "/"), cells[1].split()
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
    for found, line in zip(labels, lines, strict=True):
        if len(found) != count:
            raise DataError(f"{line} has {len(found)} labels, but {lines[first]} has {count}")
        if wrong := [label for label in found if label not in ("0", "1")]:
            raise DataError(f"{line} has the label {wrong[0]}, but those of {lines[first]} are a vector of 0 and 1")
    return [str(number) for number in range(count)], np.array(labels, dtype=np.uint8)


def _named(labels: Sequence[list[str]], lines: Sequence[str]) -> tuple[list[str], NDArray[np.uint8]]:
    for found, line in zip(labels, lines, strict=True):
        if len(set(found)) != len(found):
            raise DataError(f"{line} has a class twice: {' '.join(found)}")
        if wrong := [name for name in found if set(name) & set(",;|")]:
            raise DataError(f"{line} has the class {wrong[0]!r}: classes are separated by blanks, and their names hold none of , ; |")
    classes = sorted({name for found in labels for name in found})
    column = {name: number for number, name in enumerate(classes)}
    vectors = np.zeros((len(labels), len(classes)), dtype=np.uint8)
    for row, found in enumerate(labels):
        vectors[row, [column[name] for name in found]] = 1
    return classes, vectors
