"""Image files as sources: a fold of a prepared dataset, a directory, and a list of paths."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...checksums import digest
from ...errors import DataError
from ...runs import home
from ..features.rows import has_features
from ..metadata import Metadata, PreparedDataset, load_fold
from ..own.folder import SUFFIXES
from ._interface import Images, Shard, Source


class ImageFiles(Images):
    """Image files of a shard.

    Args:
        root: the directory that the paths are relative to.
        paths: the files; absolute ones stay as they are.
        where: says in words where a row of this shard is written.
        keys: see :class:`Images`.
        labels: see :class:`Images`.
    """

    def __init__(
        self,
        root: Path,
        paths: Sequence[str],
        where: Callable[[int], str],
        keys: Sequence[str] | None = None,
        labels: NDArray[np.uint8] | None = None,
    ) -> None:
        self.root, self.paths, self.keys, self.labels, self._where = root, paths, keys, labels, where

    def __len__(self) -> int:
        return len(self.paths)

    def file(self, row: int) -> Path:
        """Return the file of an image."""
        return self.root / self.paths[row]

    def where(self, row: int) -> str:
        """Return the path of an image, and where it is written."""
        return f"{self.file(row)}{self._where(row)}"

    def part(self, rows: slice) -> Images:
        """Return images that follow each other."""
        return ImageFiles(self.root, self.paths[rows], partial(_later, self._where, rows.start))


def fold_source(database: str, fold: str, rows: int) -> Source:
    """Return a fold of a prepared dataset as a source.

    Args:
        database: the dataset.
        fold: the fold.
        rows: images of a shard.

    Raises:
        UnknownNameError: for an unknown dataset or fold.
        DataError: if the dataset cannot be used, or has not an image for each item.
    """
    prepared = PreparedDataset(database)
    metadata = prepared.fold(fold)
    if has_features(metadata):
        raise DataError(f"{database} has ready features in place of images: predict.py makes codes of them")
    if not metadata.present.all():
        missing = int((~metadata.present).sum())
        raise DataError(f"{missing:,} items of {database}:{fold} are texts without an image: predict.py makes codes of both views")
    sha256 = digest(metadata.file)
    shards = _cut(len(metadata), rows, lambda first, end: partial(_of_fold, database, fold, sha256, first, end))
    return Source("fold", f"{database}:{fold}", sha256, shards, prepared.split.classes)


def directory_source(folder: Path, rows: int) -> Source:
    """Return all images below a directory as a source, in the order of their paths; what is hidden is left out.

    Args:
        folder: the directory.
        rows: images of a shard.

    Raises:
        DataError: if there is none.
    """
    paths, sha256 = _listed(folder)
    if not paths:
        raise DataError(f"{folder} holds no images ({', '.join(SUFFIXES)})")
    shards = _cut(len(paths), rows, lambda first, end: partial(_of_directory, folder, sha256, first, end))
    return Source("directory", folder.resolve().name, sha256, shards)


def list_source(file: Path, rows: int) -> Source:
    """Return the images that a text file names, a path in each line, as a source; paths are relative to its directory.

    Args:
        file: the list.
        rows: images of a shard.

    Raises:
        DataError: if it names none, or a line is blank.
    """
    state, bounds, offset, count = hashlib.sha256(), list[int](), 0, 0  # bounds: the byte at which each shard begins
    with file.open("rb") as stream:
        for line in stream:
            if not line.strip() or b"\0" in line:
                complaint = "holds no text" if line.strip() else "is blank"
                raise DataError(f"line {count + 1} of {file} {complaint}: a list has the path of an image in each line")
            if count % rows == 0:
                bounds.append(offset)
            state.update(line)
            offset, count = offset + len(line), count + 1
    if not count:
        raise DataError(f"{file} is empty: a list has the path of an image in each line")
    ends = [*bounds[1:], offset]
    shards = _cut(count, rows, lambda first, end: partial(_of_list, file, first, bounds[first // rows], ends[first // rows]))
    return Source("list", file.name, state.hexdigest(), shards)


def fingerprint(files: Sequence[tuple[str, int]]) -> str:
    """Return the checksum of names and sizes of files.

    Example:
        >>> fingerprint([("a.tar", 512)])[:8], fingerprint([("a.tar", 513)])[:8]
        ('a1481d59', 'c37363f7')
    """
    state = hashlib.sha256()
    for name, size in files:
        state.update(f"{name}\n{size}\n".encode(errors="surrogateescape"))
    return state.hexdigest()


def _cut(count: int, rows: int, reader: Callable[[int, int], Callable[[], Images]]) -> tuple[Shard, ...]:
    """Return the shards of some images; the reader of each follows from its first row and its end."""
    bounds = ((first, min(first + rows, count)) for first in range(0, count, rows))
    return tuple(Shard(number, first, end - first, reader(first, end)) for number, (first, end) in enumerate(bounds))


@lru_cache(maxsize=1)
def _metadata(database: str, fold: str, sha256: str) -> Metadata:
    """Return a fold, which a process reads once.

    Raises:
        DataError: if it is not the one that the shards were cut from.
    """
    metadata = load_fold(database, fold)
    if digest(metadata.file) != sha256:
        raise DataError(f"{metadata.file} was changed while it is encoded")
    return metadata


def _of_fold(database: str, fold: str, sha256: str, first: int, end: int) -> Images:
    metadata = _metadata(database, fold, sha256)
    return ImageFiles(home(), metadata.paths[first:end], partial(_in_line, metadata.file, first), labels=metadata.labels[first:end])


def _listed(folder: Path) -> tuple[list[str], str]:
    """Return the paths of all images below a directory, and the checksum of their names and sizes."""
    below = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    names = (path.relative_to(folder) for path in below)
    paths = sorted(name.as_posix() for name in names if not any(part.startswith(".") for part in name.parts))
    return paths, fingerprint([(path, (folder / path).stat().st_size) for path in paths])


@lru_cache(maxsize=1)
def _paths(folder: Path, sha256: str) -> list[str]:
    """Return the paths of all images below a directory, which a process lists once.

    Raises:
        DataError: if they are not those that the shards were cut from.
    """
    paths, now = _listed(folder)
    if now != sha256:
        raise DataError(f"{folder} was changed while it is encoded: names or sizes of its images differ")
    return paths


def _of_directory(folder: Path, sha256: str, first: int, end: int) -> Images:
    paths = _paths(folder, sha256)[first:end]
    return ImageFiles(folder, paths, _nowhere, keys=paths)


def _of_list(file: Path, first: int, start: int, end: int) -> Images:
    with file.open("rb") as stream:
        stream.seek(start)
        lines = stream.read(end - start).removesuffix(b"\n").split(b"\n")
    paths = [line.removesuffix(b"\r").decode(errors="surrogateescape") for line in lines]
    return ImageFiles(file.parent, paths, partial(_in_line, file, first))


def _in_line(file: Path, first: int, row: int) -> str:
    return f" (line {first + row + 1} of {file})"


def _nowhere(row: int) -> str:
    return ""


def _later(where: Callable[[int], str], first: int, row: int) -> str:
    return where(first + row)
