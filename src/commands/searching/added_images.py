"""Images from outside the dataset for an index: listed, decoded and encoded; those that cannot be read are reported."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image
from tqdm import tqdm

from ...data.own.folder import SUFFIXES
from ...data.own.table import read_table
from ...errors import DataError, describe, unknown_name
from ...runs import home
from ...search import Index
from ...surroundings import has_terminal
from .codes import Added, shown, stored_path
from .exported import image_of
from .searched_run import SearchedRun

_BATCH = 64  # images of a forward pass
Entry = tuple[str, NDArray[np.uint8]]  # a path as an index has it, and its labels


@dataclass
class AddedImages:
    """Images to encode.

    Args:
        searched: the run whose network makes their codes.
        entries: what to encode.
    """

    searched: SearchedRun
    entries: list[Entry]
    done: int = 0
    faults: list[str] = field(default_factory=list)

    def batches(self, together: int) -> Iterator[tuple[list[str], Added]]:
        """Yield paths and codes of the images to commit together; files that cannot be read are recorded as faults."""
        bar = tqdm(total=len(self.entries), desc="encoding", unit="image", disable=not has_terminal(), leave=False)
        with bar:
            for start in range(0, len(self.entries), together):
                paths, labels, codes, files = list[str](), list[NDArray[np.uint8]](), list[NDArray[np.uint8]](), list[tuple[int, int]]()
                for first in range(start, min(start + together, len(self.entries)), _BATCH):
                    part = self.entries[first : min(first + _BATCH, start + together)]
                    read = [one for entry in part if (one := self._read(*entry)) is not None]
                    if read:
                        encoded, _ = self.searched.encode([image for _, _, image, _ in read])
                        codes.append(encoded.codes)
                    for path, vector, _, file in read:
                        paths.append(path)
                        labels.append(vector)
                        files.append(file)
                    bar.update(len(part))
                if paths:
                    yield paths, Added(np.concatenate(codes), np.stack(labels), files)
                    self.done += len(paths)

    def report(self) -> int:
        """Print the files that could not be read, and return the exit status."""
        for fault in self.faults:
            print(f"error: {fault}", file=sys.stderr)
        if self.faults:
            print(f"error: {len(self.faults):,} of {len(self.entries):,} images could not be read; the others were added", file=sys.stderr)
        return 1 if self.faults else 0

    def _read(self, path: str, labels: NDArray[np.uint8]) -> tuple[str, NDArray[np.uint8], Image, tuple[int, int]] | None:
        file = home() / path
        try:
            facts = file.stat()
            return path, labels, image_of(file, shown(path)), (facts.st_size, facts.st_mtime_ns)
        except (DataError, OSError) as error:
            self.faults.append(describe(error))
            return None


def entries_of(sources: Sequence[Path], classes: Sequence[str]) -> list[Entry]:
    """Return the images that files, directories and CSV tables name, each once.

    An image of a directory has the class whose name a directory above it has; one that is named alone has none.

    Args:
        sources: files, directories with images at any depth, and CSV tables with the columns ``file,labels``.
        classes: those of the index.

    Raises:
        DataError: if there is no such file, or a directory holds no image.
        UnknownNameError: for a class of a table that the index does not have.
    """
    entries: dict[str, NDArray[np.uint8]] = {}
    for source in sources:
        if source.is_dir():
            below = sorted(path for path in source.rglob("*") if path.suffix.lower() in SUFFIXES and not _hidden(path, source))
            if not below:
                raise DataError(f"{source} holds no images ({', '.join(SUFFIXES)})")
            entries |= {stored_path(path): vector_of(path.relative_to(source).parts[:-1], classes) for path in below}
        elif source.suffix.lower() == ".csv" and source.is_file():
            entries |= _of_table(source, classes)
        elif source.exists():
            entries[stored_path(source)] = vector_of((), classes)
        else:
            raise DataError(f"there is no file or directory {source}")
    return list(entries.items())


def added_before(index: Index, classes: Sequence[str]) -> list[Entry]:
    """Return the images that were added to an index, with their classes."""
    items = index.items(number for path in index.added() if (number := index.find(path)) is not None)
    names = index.facts.classes
    return [(item.path, vector_of([names[column] for column in np.flatnonzero(item.labels).tolist()], classes)) for item in items]


def vector_of(names: Sequence[str], classes: Sequence[str]) -> NDArray[np.uint8]:
    """Return 1 for each class that is among some names, 0 for the others.

    Example:
        >>> vector_of(["photos", "cat"], ["cat", "dog"]).tolist()
        [1, 0]
    """
    return np.isin(np.array(classes, dtype=object), np.array(list(names), dtype=object)).astype(np.uint8)


def _of_table(file: Path, classes: Sequence[str]) -> dict[str, NDArray[np.uint8]]:
    table = read_table(file)
    for name in table.classes:
        if name not in classes:
            raise unknown_name(f"class of {file}", name, classes)
    vectors = [vector_of([table.classes[column] for column in np.flatnonzero(row).tolist()], classes) for row in table.labels]
    return dict(zip((stored_path(table.folder / path) for path in table.paths), vectors, strict=True))


def _hidden(path: Path, source: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(source).parts)
