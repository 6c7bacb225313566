"""Lists of images in the format of HashNet: one line per image, ``<path> l_1 ... l_C`` or ``<path> <class number>``, blank separated."""

from __future__ import annotations

import os
from codecs import BOM_UTF8
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from ...checksums import digest
from ...errors import DataError
from ...runs import processed_folder, replacing
from ...settings import FOLDS
from ..metadata import parse_labels, read_metadata
from ..split import metadata_file, read_split
from .class_numbers import parse_numbers, vectors_of
from .label_table import LabelTable

FILES: Mapping[str, str] = {"train": "train.txt", "val": "val.txt", "query": "test.txt", "database": "database.txt"}
_MEND = "mend that line and run the command again"
_FORM = (
    "every line needs a 0 or 1 for each class, or every line a single class number; "
    "several numbers an image, or names, are read from a CSV file by process/FOLDER.py"
)


@dataclass(frozen=True)
class ImageList:
    """One list.

    Args:
        file: where it was read.
        paths: image paths as its authors wrote them, with forward slashes; often absolute on a machine of theirs.
        labels: (n, C) uint8, each 0 or 1; or class numbers, (n,) int64.
    """

    file: Path
    paths: list[str]
    labels: NDArray[np.uint8] | NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def form(self) -> str:
        """In words, what a line holds."""
        return "one class number in a line" if self.labels.ndim == 1 else f"{self.labels.shape[1]} labels in a line"

    def where(self, row: int) -> str:
        """Return in words where a row is written."""
        return f"line {row + 1} of {self.file}"


def read_list(file: Path) -> ImageList:
    """Read a list.

    Args:
        file: lines of an image path and C > 1 labels (0 or 1), separated by blanks; or of an image path and a class number.

    Raises:
        DataError: naming the file and the line, if the file is missing or empty, or a line has a comma, no labels, a
            label other than 0 or 1, another number of labels than the first line, or the path of an earlier line.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "test.txt"
        >>> _ = file.write_text("/home/somebody/coco/val2014/cat.jpg 1 0\\n/home/somebody/coco/val2014/dog.jpg 0 1\\n")
        >>> read_list(file).paths[0], read_list(file).labels.tolist()
        ('/home/somebody/coco/val2014/cat.jpg', [[1, 0], [0, 1]])
    """
    try:
        lines = file.read_bytes().removeprefix(BOM_UTF8).rstrip().splitlines()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise DataError(f"there is no list {file}: a file is needed, with a line `<image path> <labels>` for every image") from error
    if not lines:
        raise DataError(f"{file} is empty: a line `<image path> <labels>` is needed for every image")
    paths, vectors = [], []
    for row, line in enumerate(lines):
        path, *rest = line.split(maxsplit=1) or [b""]
        if not rest:
            raise _bad_line(file, row, "is not `<image path> <labels>`, separated by blanks")
        if b"," in path:
            raise _bad_line(file, row, f"has a comma in its path {path.decode(errors='replace')!r}, but an image path must not hold any")
        paths.append(path)
        vectors.append(rest[0].strip())
    parse = parse_labels if len(vectors[0].split()) > 1 else parse_numbers
    labels = parse(vectors, lambda row, complaint: _bad_line(file, row, complaint, _FORM))
    names: dict[str, int] = {}
    for row, path in enumerate(paths):
        name = _decoded(file, row, path)
        if names.setdefault(name, row) != row:
            raise _bad_line(file, row, f"has the same image as line {names[name] + 1}: {name}")
    return ImageList(file, list(names), labels)


def write_list(file: Path, paths: Sequence[str], labels: NDArray[np.uint8]) -> None:
    """Write a list, whole or not at all.

    Args:
        file: the file to write or replace.
        paths: image paths, n of them.
        labels: (n, C), each 0 or 1.

    Raises:
        DataError: for a path with a blank, which no reader could tell from a label, and for a single class, whose 0 and 1
            would be read as class numbers.
    """
    if labels.shape[1] == 1:
        raise DataError(f"{file} cannot be written: the dataset has one class, and a single 0 or 1 in a line is a class number")
    for path in paths:
        if not path or len(path.split()) != 1:
            raise DataError(f"{file} cannot be written: the image path {path!r} holds a blank")
    vectors = [" ".join(map(str, row)) for row in labels.tolist()]
    with replacing(file) as temporary:
        temporary.write_bytes("".join(f"{path} {vector}\n" for path, vector in zip(paths, vectors, strict=True)).encode())


def export(database: str, folder: Path) -> list[Path]:
    """Write the four folds of a prepared dataset as lists: ``train.txt``, ``val.txt``, ``test.txt`` (the queries), ``database.txt``.

    Args:
        database: the dataset.
        folder: where to.

    Returns:
        The files written.

    Raises:
        DataError: if the dataset was not prepared, or a path holds a blank.
    """
    read_split(database)
    written = []
    for fold in FOLDS:
        metadata = read_metadata(metadata_file(processed_folder(database), fold))
        write_list(folder / FILES[fold], metadata.paths, metadata.labels)
        written.append(folder / FILES[fold])
    return written


PathOf = Callable[[str], str]


def by_name(folder: Path) -> PathOf:
    """Return what finds the image that a foreign path means among all files below a directory.

    The base name decides; where several files carry it, the one whose directories agree with the path's for the longest way up.

    Args:
        folder: the directory the images lie below.

    Returns:
        A function from a listed path to a path below the directory; to one that does not exist where there is none.

    Raises:
        DataError: from that function, when files with that base name agree equally well.
    """
    files: dict[str, list[str]] = {}
    for below, _, names in os.walk(folder, followlinks=True):
        for name in names:
            files.setdefault(name, []).append((Path(below) / name).relative_to(folder).as_posix())

    def path_of(path: str) -> str:
        name = path.rpartition("/")[2]
        candidates = sorted(files.get(name, [_inside(path)]), key=lambda file: (-_agreement(file, path), file))
        if len(candidates) > 1 and _agreement(candidates[0], path) == _agreement(candidates[1], path):
            raise DataError(f"{path} may mean {candidates[0]} or {candidates[1]} below {folder}: both carry that name")
        return candidates[0]

    return path_of


def join(
    lists: Mapping[str, ImageList], folder: Path, path_of: PathOf, classes: Sequence[str] | None = None
) -> tuple[LabelTable, dict[str, NDArray[np.int64]]]:
    """Join the lists of several folds to one table in which every image occurs once.

    Args:
        lists: the list of each fold.
        folder: the directory the images lie below.
        path_of: from a listed path to a path below that directory, see :func:`by_name`.
        classes: C class names; None for the numbers of the columns, or the class numbers of all lists.

    Returns:
        The table, its rows in the order in which the lists first name them, and the rows of each fold in the order of its list.

    Raises:
        DataError: naming file and line, when lists have different numbers of labels, an image has different labels in two
            lists, two paths of a list mean the same image, or a class number has no name.
    """
    paths: dict[str, int] = {}
    named: list[list[tuple[ImageList, int]]] = []  # where each image is
    folds = {}
    first = next(iter(lists.values()))
    for fold, listed in lists.items():
        if listed.form != first.form:
            raise DataError(f"{listed.file} has {listed.form}, but {first.file} has {first.form}")
        lines: dict[int, int] = {}
        for line, path in enumerate(listed.paths):
            row = paths.setdefault(path_of(path), len(paths))
            if row == len(named):
                named.append([])
            if lines.setdefault(row, line) != line:
                earlier = lines[row]
                raise _bad_line(listed.file, line, f"means the same image as line {earlier + 1}: {path} and {listed.paths[earlier]}")
            named[row].append((listed, line))
            other, number = named[row][0]
            if not np.array_equal(other.labels[number], listed.labels[line]):
                raise _bad_line(listed.file, line, f"has other labels for {path} than {other.where(number)}")
        folds[fold] = np.array(list(lines), dtype=np.int64)
    labels = np.stack([listed.labels[line] for (listed, line), *_ in named])

    def where(row: int) -> str:
        return " and ".join(listed.where(line) for listed, line in named[row])

    if labels.ndim == 1:
        names, vectors = vectors_of(labels, classes, where)
        return LabelTable(folder, list(paths), vectors, names, where, form="one class number per line"), folds
    names = classes or [str(number) for number in range(labels.shape[1])]
    if len(names) != labels.shape[1]:
        raise DataError(f"there are {len(names)} class names, but {first.file} has {first.form}")
    return LabelTable(folder, list(paths), labels, names, where, form="0/1 vectors"), folds


def read_lists(files: Mapping[str, Path]) -> dict[str, ImageList]:
    """Read the lists of several folds.

    Args:
        files: the file of each fold.

    Raises:
        DataError: if one cannot be read.
    """
    return {fold: read_list(file) for fold, file in files.items()}


def source_of(lists: Mapping[str, ImageList]) -> str:
    """Return in words which lists these are: name and checksum, the same wherever they lie."""
    return "; ".join(f"{listed.file.name} (SHA-256 {digest(listed.file)})" for listed in lists.values())


def rows_only_in(folds: Mapping[str, NDArray[np.int64]], fold: str) -> NDArray[np.int64]:
    """Return the rows of a fold that are in no other one, ascending."""
    others = [rows for name, rows in folds.items() if name != fold]
    return np.setdiff1d(folds[fold], np.concatenate(others))


def _inside(path: str) -> str:
    """Return a path without what would lead out of a directory."""
    return "/".join(part for part in path.split("/") if part not in ("", ".", ".."))


def _agreement(file: str, path: str) -> int:
    """Return how many components two paths share, from the end."""
    count = 0
    for one, other in zip(reversed(PurePosixPath(file).parts), reversed(PurePosixPath(path).parts), strict=False):
        if one != other:
            break
        count += 1
    return count


def _decoded(file: Path, row: int, path: bytes) -> str:
    try:
        return path.decode("utf-8").replace("\\", "/")
    except UnicodeDecodeError as error:
        raise _bad_line(file, row, "has an image path that is not UTF-8 text") from error


def _bad_line(file: Path, row: int, complaint: str, advice: str = _MEND) -> DataError:
    return DataError(f"line {row + 1} of {file} {complaint}: {advice}")
