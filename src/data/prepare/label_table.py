"""What a raw dataset says about its images, and how it becomes the content of a prepared one."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ..metadata import NO_IMAGE
from .content import DatasetContent, Texts, distinct_names
from .labels import counted
from .splits import Protocol, merge_folds, random_split


@dataclass(frozen=True)
class LabelTable:
    """The images of a raw dataset and their labels, in the order of its own files.

    Args:
        folder: the directory the images lie below.
        paths: n images, as paths below that directory with forward slashes; "-" for an item that is a text alone.
        labels: (n, C) uint8, each 0 or 1.
        classes: C class names.
        where: says where a row is written ("line 3 of .../train.txt"), in every list.
        unused: classes that no image has, by design.
        form: how the source writes the labels ("0/1 vectors").
        texts: the texts of the images; None for images alone.
    """

    folder: Path
    paths: Sequence[str]
    labels: NDArray[np.uint8]
    classes: Sequence[str]
    where: Callable[[int], str]
    unused: Collection[str] = ()
    form: str = ""
    texts: Texts | None = None

    def __len__(self) -> int:
        return len(self.paths)

    def rows(self, chosen: NDArray[np.int64]) -> LabelTable:
        """Return the table of some of the rows."""
        paths = [self.paths[row] for row in chosen]
        texts = self.texts and self.texts.rows(chosen)
        return dataclasses.replace(self, paths=paths, labels=self.labels[chosen], where=lambda row: self.where(chosen[row]), texts=texts)

    def columns(self, chosen: Sequence[int]) -> LabelTable:
        """Return the table of some of the classes, and of the images that have one of them or had none before."""
        rows = np.flatnonzero(self.labels[:, chosen].any(axis=1) | ~self.labels.any(axis=1))
        labels = np.ascontiguousarray(self.labels[rows][:, chosen])
        return dataclasses.replace(self.rows(rows), labels=labels, classes=[self.classes[column] for column in chosen])

    def with_least(self, least: int) -> tuple[LabelTable, str]:
        """Leave out the classes of fewer than so many images, and the images that have no other.

        Args:
            least: images a class must have.

        Returns:
            The table of the others, and in words what was left out; empty for nothing.

        Raises:
            DataError: if fewer than two classes remain.
        """
        counts = self.labels.sum(axis=0, dtype=np.int64)
        columns = np.flatnonzero(counts >= least).tolist()
        if len(columns) < 2:
            raise DataError(
                f"{len(columns)} of {len(self.classes):,} classes have {least:,} images or more, but two classes are needed: "
                f"the largest has {counts.max():,}"
            )
        large, small = self.columns(columns), len(self.classes) - len(columns)
        words = f"{counted(small, 'class')} of fewer than {least:,} images, with {counted(len(self) - len(large), 'image')}"
        return large, words if small else ""

    def present(self) -> NDArray[np.bool_]:
        """Return for each row whether its image is on disk; true for a text alone, which has none."""
        return np.array([path == NO_IMAGE or (self.folder / path).is_file() for path in self.paths], dtype=bool)

    def with_present(self, advice: str, *, allow_missing: bool) -> tuple[LabelTable, str, NDArray[np.int64]]:
        """Check that every image is on disk, or make do with those that are.

        Args:
            advice: what to do about a missing one.
            allow_missing: whether an item whose image is missing becomes a text alone, and is left out if it has no text.

        Returns:
            The table, in words what is missing, empty for nothing, and the rows that stay.

        Raises:
            DataError: with their number, the first one and where it is written, if images are missing and must not be.
        """
        if not allow_missing:
            self.check_present(f"{advice}, or do without them with -allow_missing")
            return self, "", np.arange(len(self))
        missing = ~self.present()
        lines = self.texts.lines if self.texts else [""] * len(self)
        bare = np.array([not text.strip() for text in lines], dtype=bool) & missing
        paths = [NO_IMAGE if lacking else path for path, lacking in zip(self.paths, missing.tolist(), strict=True)]
        kept = np.flatnonzero(~bare)
        if not missing.any():
            return self, "", kept
        first = int(np.flatnonzero(missing)[0])
        words = (
            f"{missing.sum():,} of {len(self):,} images are missing, the first is {self.paths[first]} ({self.where(first)}): "
            f"{missing.sum() - bare.sum():,} of them texts alone, {bare.sum():,} left out"
        )
        return dataclasses.replace(self, paths=paths).rows(kept), words, kept

    def check_present(self, advice: str) -> None:
        """Check that every image is on disk.

        Args:
            advice: what to do about a missing one.

        Raises:
            DataError: with their number, the first one and where it is written.
        """
        missing = np.flatnonzero(~self.present())
        if len(missing):
            raise DataError(
                f"{len(missing):,} of {len(self):,} images are missing below {self.folder}; the first is "
                f"{self.paths[missing[0]]} ({self.where(missing[0])}): {advice}"
            )

    def content(self, folds: Mapping[str, NDArray[np.int64]], protocol: Protocol, *, source: str, note: str = "") -> DatasetContent:
        """Return what :func:`~biodeephashing.data.prepare.write.prepare` writes: these images, linked and not copied where possible."""
        return DatasetContent(
            files=self._files(),
            labels=self.labels,
            classes=self.classes,
            folds=folds,
            write_image=lambda row, target: link(self._file(row), target),
            protocol=protocol,
            source=source,
            note=note,
            unused=self.unused,
            where=self.where,
            image=self._file,
            reading={"labels": self.form},
            texts=self.texts,
        )

    def random_split(self, sizes: Mapping[str, int], protocol: Protocol, *, source: str, note: str = "") -> DatasetContent:
        """Return what is written when each fold gets its number of images at random; see :func:`~.splits.random_split`."""
        folds = merge_folds(random_split(len(self), sizes, seed=protocol.seed), protocol.shared)
        return self.content(folds, protocol, source=source, note=note)

    def _files(self) -> list[str]:
        distinct = iter(distinct_names([path.rpartition("/")[2] for path in self.paths if path != NO_IMAGE]))
        return [NO_IMAGE if path == NO_IMAGE else next(distinct) for path in self.paths]

    def _file(self, row: int) -> Path:
        return self.folder / self.paths[row]


def lines_of(file: Path, advice: str) -> list[str]:
    """Return the lines of a text file of a raw dataset; see :func:`read_text`."""
    return read_text(file, advice).rstrip().splitlines()


def read_text(file: Path, advice: str) -> str:
    """Return a text file of a raw dataset.

    Args:
        file: the file.
        advice: what to do if it cannot be read.

    Raises:
        DataError: if it is missing or is not UTF-8.
    """
    try:
        return file.read_text("utf-8")
    except FileNotFoundError as error:
        raise DataError(f"{file} is missing: {advice}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is damaged ({error}): delete it and {advice}") from error


def link(source: Path, target: Path) -> None:
    """Give a file a second name; where the file system cannot do that, copy it.

    Args:
        source: the file; where it is a symbolic link, what that leads to.
        target: the second name.
    """
    original = source.resolve()
    try:
        os.link(original, target)
    except FileNotFoundError:
        raise
    except OSError:  # another disk, no hard links there, or not allowed for files of others
        shutil.copyfile(original, target)
