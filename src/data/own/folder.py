"""Own images: what a directory of class directories, or a CSV table, says about them."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ...errors import DataError, UsageError
from ..prepare.content import distinct_names
from ..prepare.label_table import LabelTable
from ..prepare.splits import one_hot
from .table import BLANK, read_table

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
_FOLD_NAMES = {"train", "training", "val", "valid", "validation", "test", "query", "database"}
_TABLE = "or name a CSV file with the columns `file,labels`"
_LONGEST = 200  # bytes of a file name; a file system allows for 255


def read_own(path: Path, separator: str = BLANK) -> tuple[LabelTable, list[str]]:
    """Read a directory of class directories or a CSV table.

    Args:
        path: the directory or the file.
        separator: what stands between the labels of an image in a table; " " is any blanks.

    Returns:
        The images and their labels, and in words what was left out.

    Raises:
        UsageError: for a separator without a table.
        DataError: if there is neither, or it cannot be used; see :func:`read_folder` and
            :func:`~biodeephashing.data.own.table.read_table`.
    """
    if path.is_dir() and separator != BLANK:
        raise UsageError(f"-separator {separator} is for the labels of a CSV file, but {path} is a folder")
    if path.is_dir():
        table, left_out = read_folder(path)
    elif path.is_file():
        table, left_out = read_table(path, separator), []
        table.check_present("mend that line, or bring the image there")
    else:
        raise DataError(f"there is no folder or file {path}")
    _check_distinct(table)
    return table, left_out


def read_folder(folder: Path) -> tuple[LabelTable, list[str]]:
    """Read a directory with one subdirectory per class, in which the images lie at any depth.

    The endings of file names decide which files are images. Links to files and linked class directories are followed,
    linked directories below these are not; what is hidden (its name begins with a dot) is left out.

    Args:
        folder: the directory.

    Returns:
        The images in the order of their paths, whose classes are those of the subdirectories' names; and in words what was left out.

    Raises:
        DataError: if there are no class directories, only one, images beside the class directories, or
            directories that look like the folds of a split.
    """
    left_out: Counter[str] = Counter()
    entries = sorted(_visible(os.scandir(folder), left_out), key=lambda entry: entry.name)
    classes = [entry.name for entry in entries if entry.is_dir()]
    beside = [entry.name for entry in entries if not entry.is_dir() and not _skip(entry.name, left_out)]
    _check_classes(folder, classes, beside)
    paths: list[str] = []
    numbers: list[int] = []
    for number, name in enumerate(classes):
        images = sorted(_images_below(folder / name, left_out))
        paths += [f"{name}/{path}" for path in images]
        numbers += [number] * len(images)
    if not paths:
        raise DataError(f"the class folders of {folder} hold no images ({', '.join(SUFFIXES)})")
    labels = one_hot(np.array(numbers), len(classes))
    table = LabelTable(folder, paths, labels, classes, lambda row: f"of the class {classes[numbers[row]]}", form="one folder per class")
    return table, [f"{count:,} {what}" for what, count in sorted(left_out.items())]


def fingerprint(table: LabelTable) -> str:
    """Return a checksum of the names, sizes and labels of all images."""
    state = hashlib.sha256("\n".join(table.classes).encode(errors="surrogateescape"))
    for path, row in zip(table.paths, table.labels, strict=True):
        state.update(f"\n{path}\n{(table.folder / path).stat().st_size}\n".encode(errors="surrogateescape") + row.tobytes())
    return state.hexdigest()


def file_names(paths: Sequence[str]) -> list[str]:
    """Return a safe file name for every path, no two the same: what no metadata line can hold is replaced.

    A relative path brings its directories along, joined by dashes; an absolute one, whose directories are a machine's, does not.

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
