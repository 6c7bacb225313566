"""Metadata files: one line per image, ``<image path>,<label vector>``, in the order of features and codes."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, unknown_name
from ..runs import home, processed_folder, replacing
from ..settings import FOLDS
from .split import how_to_fix, metadata_file, read_split, texts_file

LABEL_NAMES_FILE = "label_names.txt"
NO_IMAGE = "-"  # the path of an item that is a text alone
_BLANK, _ZERO = ord(" "), ord("0")


@dataclass(frozen=True)
class Metadata:
    """The images and labels of one fold.

    Args:
        file: the metadata file they come from.
        paths: image paths below the project root, n of them; "-" for an item that is a text alone.
        labels: (n, C) uint8, each 0 or 1; a row may be all zero.
    """

    file: Path
    paths: list[str]
    labels: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def fold(self) -> str:
        """Name of the fold, after the file."""
        return self.file.name.removesuffix("_metadata.txt")

    @cached_property
    def present(self) -> NDArray[np.bool_]:
        """Whether each item has an image, (n,); false for a text alone."""
        return np.array([path != NO_IMAGE for path in self.paths], dtype=bool)

    def image(self, row: int) -> Path:
        """Return the image file of a row."""
        return home() / self.paths[row]

    def where(self, row: int) -> str:
        """Return in words where a row is written."""
        return f"line {row + 1} of {self.file}"

    def rows(self, chosen: NDArray[np.int64] | NDArray[np.bool_]) -> Metadata:
        """Return the items of some rows, chosen by their numbers or by a mask (n,)."""
        return replace(self, paths=[self.paths[row] for row in np.arange(len(self))[chosen]], labels=self.labels[chosen])


class PreparedDataset:
    """A prepared dataset whose split and folds are read and checked once.

    Args:
        database: the dataset, a directory of ``data/processed/``.

    Raises:
        UnknownNameError: for an unknown dataset.
        DataError: if the dataset was not prepared, or was changed afterwards.
    """

    def __init__(self, database: str) -> None:
        self.database, self.split = database, read_split(database)
        self._folds: dict[str, Metadata] = {}

    def fold(self, name: str) -> Metadata:
        """Return a fold.

        Args:
            name: "train", "val", "query" or "database".

        Raises:
            UnknownNameError: for an unknown fold.
            DataError: if a line of its file cannot be used.
        """
        if name not in FOLDS:
            raise unknown_name("fold", name, FOLDS)
        if name not in self._folds:
            self._folds[name] = self._read(name)
        return self._folds[name]

    def folds(self) -> dict[str, Metadata]:
        """Return all folds by name.

        Raises:
            DataError: if a line of a file cannot be used.
        """
        return {name: self.fold(name) for name in FOLDS}

    def _read(self, name: str) -> Metadata:
        metadata = read_metadata(metadata_file(processed_folder(self.database), name))
        expected = (self.split.sizes.get(name), len(self.split.classes))
        if metadata.labels.shape != expected:
            raise DataError(
                f"{metadata.file} holds {len(metadata):,} images with {metadata.labels.shape[1]} labels, "
                f"but split.json beside it says {expected[0]} and {expected[1]}: {how_to_fix(self.database)}"
            )
        return metadata


def load_fold(database: str, fold: str) -> Metadata:
    """Read a fold of a prepared dataset.

    Args:
        database: the dataset, a directory of ``data/processed/``.
        fold: "train", "val", "query" or "database".

    Raises:
        UnknownNameError: for an unknown dataset or fold.
        DataError: if the dataset was not prepared, was changed afterwards, or a line cannot be used.
    """
    return PreparedDataset(database).fold(fold)


def read_metadata(file: Path) -> Metadata:
    """Read a metadata file.

    Every line is an image path, one comma, and C labels (0 or 1) separated by blanks; blanks around the parts and
    repeated blanks are accepted. Where texts lie beside it, the path ``-`` is an item without image.

    Args:
        file: the metadata file of a fold.

    Raises:
        DataError: naming the file, the line and what to do, if the file is missing or empty, or a line has no comma
            or several, no path, no image and no texts beside it, a label other than 0 or 1, or another number of labels than
            the first line.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "query_metadata.txt"
        >>> _ = file.write_text("data/processed/PETS/images/cat.png,1 0 \\ndata/processed/PETS/images/dog.png, 0  1\\n")
        >>> read_metadata(file).labels.tolist()
        [[1, 0], [0, 1]]
    """
    try:
        lines = file.read_bytes().rstrip().splitlines()
    except FileNotFoundError as error:
        raise DataError(f"{file} is missing: {how_to_fix(file.parent.name)}") from error
    if not lines:
        raise DataError(f"{file} is empty: {how_to_fix(file.parent.name)}")
    paths, vectors = [], []
    for row, line in enumerate(lines):
        path, comma, vector = line.partition(b",")
        if not comma or b"," in vector or not path.strip():
            raise _bad_line(file, row, _explain_parts(line))
        paths.append(path.strip())
        vectors.append(vector.strip())
    labels = parse_labels(vectors, lambda row, complaint: _bad_line(file, row, complaint))
    metadata = Metadata(file, _decode(file, paths), labels)
    if not metadata.present.all() and not texts_file(file.parent, metadata.fold).is_file():
        row = int(np.flatnonzero(~metadata.present)[0])
        raise _bad_line(file, row, f"has the image path {NO_IMAGE}, which stands for none, but without image an item needs a text")
    return metadata


def write_metadata(file: Path, paths: Sequence[str], labels: NDArray[np.generic]) -> None:
    """Write a metadata file, whole or not at all.

    Args:
        file: the file to write or replace.
        paths: image paths below the project root, n of them.
        labels: (n, C), each 0 or 1.

    Raises:
        DataError: if the numbers of paths and labels differ, a label is not 0 or 1, or a path cannot be written.
    """
    if labels.ndim != 2 or len(labels) != len(paths) or labels.size == 0:
        raise DataError(f"{file} cannot be written: {len(paths)} image paths with labels of shape {labels.shape}")
    if not np.isin(labels, (0, 1)).all():
        row = int(np.flatnonzero(~np.isin(labels, (0, 1)).all(axis=1))[0])
        raise DataError(f"{file} cannot be written: the labels of {paths[row]} are {labels[row].tolist()}, but only 0 and 1 are labels")
    for path in paths:
        if not path or "," in path or path != path.strip() or len(path.splitlines()) != 1:
            raise DataError(f"{file} cannot be written: the image path {path!r} is empty or holds a comma, an outer blank or a line break")
    text = np.full((len(labels), 2 * labels.shape[1] - 1), _BLANK, dtype=np.uint8)
    text[:, ::2] = labels.astype(np.uint8) + _ZERO
    with replacing(file) as temporary, temporary.open("wb") as stream:
        stream.writelines(b"%s,%s\n" % (path.encode(), row.tobytes()) for path, row in zip(paths, text, strict=True))


def parse_labels(vectors: list[bytes], bad_line: Callable[[int, str], DataError]) -> NDArray[np.uint8]:
    """Turn stripped label vectors into an array, all at once: a token at a time, 13 million labels would take seconds.

    Args:
        vectors: n of them, labels separated by blanks; those with repeated blanks are replaced.
        bad_line: builds the error for a row and what is wrong with it.

    Returns:
        (n, C) uint8.

    Raises:
        DataError: for a label other than 0 or 1, or another number of labels than the first row has.
    """
    count = len(vectors[0].split())
    width = 2 * count - 1
    for row, vector in enumerate(vectors):
        if len(vector) != width or vector.count(b" ") != count - 1:
            vectors[row] = tidy = b" ".join(vector.split())
            if len(tidy) != width or count == 0:
                raise bad_line(row, _explain_labels(tidy, count))
    text = np.frombuffer(b"".join(vectors), dtype=np.uint8).reshape(len(vectors), width)
    labels = text[:, ::2] - np.uint8(_ZERO)  # what stands before "0" wraps round to a large number
    wrong = (labels > 1).any(axis=1) | (text[:, 1::2] != _BLANK).any(axis=1)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise bad_line(row, _explain_labels(vectors[row], count))
    return np.ascontiguousarray(labels)


def read_label_names(database: str) -> list[str]:
    """Read the class names of a prepared dataset, in the order of the label columns.

    Raises:
        DataError: if the file is missing or is not the CSV table ``id,name`` with the ids 0, 1, 2, ...
    """
    file = processed_folder(database) / LABEL_NAMES_FILE
    if not file.is_file():
        raise DataError(f"{file} is missing: {how_to_fix(database)}")
    return parse_label_names(file, how_to_fix(database))


def parse_label_names(file: Path, advice: str) -> list[str]:
    """Read class names from the CSV table ``id,name``.

    Args:
        file: the table.
        advice: what to do about a line that cannot be used.

    Raises:
        DataError: if it is no such table with the ids 0, 1, 2, ...
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            rows = [row for row in csv.reader(stream) if row]
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{file} is not a CSV table ({error}): {advice}") from error
    if rows[:1] != [["id", "name"]]:
        raise DataError(f"line 1 of {file} is not `id,name`: {advice}")
    for number, row in enumerate(rows[1:]):
        if len(row) != 2 or row[0].strip() != str(number) or not row[1].strip():
            raise DataError(f"line {number + 2} of {file} is not `{number},<name>`: {advice}")
    return [name.strip() for _, name in rows[1:]]


def write_label_names(file: Path, names: Sequence[str]) -> None:
    """Write class names as the CSV table ``id,name``."""
    with replacing(file) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["id", "name"])
        writer.writerows(enumerate(names))


def _explain_parts(line: bytes) -> str:
    text = line.decode(errors="replace").strip()
    if not text:
        return "is blank"
    commas = text.count(",")
    if commas > 1:
        return f"has {commas} commas, but an image path must not hold any and one ends it: {_shortened(text)}"
    return f"is not `<image path>,<label vector>`: {_shortened(text)}"


def _explain_labels(vector: bytes, count: int) -> str:
    tokens = vector.decode(errors="replace").split()
    strange = [token for token in tokens if token not in ("0", "1")]
    if strange:
        return f"has the label {_shortened(strange[0])!r}, but labels are 0 or 1, separated by blanks"
    if not tokens:
        return "has no labels"
    return f"has {len(tokens)} labels, but line 1 has {count}"


def _decode(file: Path, paths: list[bytes]) -> list[str]:
    try:
        return b"\n".join(paths).decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        row = error.object[: error.start].count(b"\n")
        raise _bad_line(file, row, "has an image path that is not UTF-8 text") from error


def _bad_line(file: Path, row: int, complaint: str) -> DataError:
    return DataError(f"line {row + 1} of {file} {complaint}. To mend it, {how_to_fix(file.parent.name)}")


def _shortened(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."
