"""What a dataset holds before it is written: the form in which every processor hands it over."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...settings import FOLDS
from ..features.rows import Values
from ..metadata import NO_IMAGE
from .labels import describe, doubts
from .splits import Protocol

LeftOut = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Texts:
    """The texts of the images of a dataset, its second view.

    Args:
        lines: text of each image, n of them: words separated by blanks, or captions separated by tabs; blank for an image without text.
        least: the items that a word must be in to get a column, counted in database and train.
        items: what each image shows, where several images show the same thing and a word counts once for all of them, (n,); None where
            every image is an item.
    """

    lines: Sequence[str]
    least: int
    items: NDArray[np.int64] | None = None

    def rows(self, chosen: NDArray[np.int64]) -> Texts:
        """Return the texts of some of the images."""
        return Texts([self.lines[row] for row in chosen], self.least, None if self.items is None else self.items[chosen])


@dataclass(frozen=True)
class Features:
    """Ready features of the items of a dataset, in place of images and, where there is a second view, of texts.

    Args:
        image: float16 or float32 (n, D); of n items.
        text: float16 or float32 (n, D'); None for words, or no second view.
    """

    image: Values
    text: Values | None = None

    def views(self) -> dict[str, Values]:
        """Return the features by modality."""
        return {"image": self.image} | ({} if self.text is None else {"text": self.text})


@dataclass(frozen=True)
class DatasetContent:
    """A dataset as a processor hands it over.

    Args:
        files: file name of each image, n of them; "-" for an item that is a text alone.
        labels: (n, C) uint8, each 0 or 1.
        classes: C class names.
        folds: indices of the images of each fold, in the order of the metadata file.
        write_image: writes the image of an index to a path; called from several threads. None where there are ready features.
        protocol: how it is split.
        source: where the images come from.
        note: how many images are there when some are missing ("20,000 of 60,000 images"), else empty.
        unused: classes that no image has, by design.
        where: says where an image is listed ("line 3 of .../train.txt"); None where images are not listed.
        image: returns the file that an image of an index is made from; None where images are not files.
        without: returns the content without the images of some indices; None for one whose other images stay in their folds.
        left_out: file and reason of each image that is left out because it cannot be read.
        reading: how the source was read; "labels" says how it writes them.
        remarks: what is doubtful about the labels, beside what :func:`~.labels.doubts` finds.
        texts: the texts of the images; None for images alone.
        features: ready features in place of images; items have names in ``files``, too.
    """

    files: Sequence[str]
    labels: NDArray[np.uint8]
    classes: Sequence[str]
    folds: Mapping[str, NDArray[np.int64]]
    write_image: Callable[[int, Path], None] | None
    protocol: Protocol
    source: str
    note: str = ""
    unused: Collection[str] = ()
    where: Callable[[int], str] | None = None
    image: Callable[[int], Path] | None = None
    without: Callable[[NDArray[np.int64]], DatasetContent] | None = None
    left_out: LeftOut = ()
    reading: Mapping[str, str | int] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    texts: Texts | None = None
    features: Features | None = None

    @property
    def item(self) -> str:
        """What has labels, in a word: an image, or an item where some have none or all have ready features."""
        return "item" if self.features is not None or NO_IMAGE in self.files else "image"

    def with_image(self) -> NDArray[np.int64]:
        """Return the indices of the images in the folds, ascending, without the items that are a text alone."""
        used = np.unique(np.concatenate([self.folds[fold] for fold in FOLDS]))
        return used[[self.files[row] != NO_IMAGE for row in used]]

    def understood(self) -> tuple[str, ...]:
        """Return what the labels of the items in the folds are understood to be, and what is doubtful about them."""
        folds = {fold: self.labels[self.folds[fold]] for fold in FOLDS}
        used = np.unique(np.concatenate([self.folds[fold] for fold in FOLDS]))
        line = describe(self.labels[used], self.classes, str(self.reading.get("labels", "")), self.item)
        return line, *(f"remark: {doubt}" for doubt in (*self.remarks, *doubts(folds, self.classes, self.item)))


def numbered_names(count: int) -> list[str]:
    """Return a name for each of n items that have none.

    Example:
        >>> numbered_names(10)[::9]
        ['item01', 'item10']
    """
    return [f"item{row + 1:0{len(str(count))}d}" for row in range(count)]


def distinct_names(names: Sequence[str]) -> list[str]:
    """Return file names no two of which are the same; a later one that repeats an earlier one gets its index added.

    Two images under one name would overwrite each other, also where the file system does not tell cases apart.

    Example:
        >>> distinct_names(["a.png", "b.jpg", "A.png"])
        ['a.png', 'b.jpg', 'A-2.png']
    """
    taken = {name.lower() for name in names}
    seen: set[str] = set()
    distinct = []
    for index, name in enumerate(names):
        if name.lower() in seen:
            stem, dot, suffix = name.rpartition(".")
            name = f"{stem}-{index}{dot}{suffix}" if dot else f"{name}-{index}"
            while name.lower() in taken:
                name = f"_{name}"
            taken.add(name.lower())
        seen.add(name.lower())
        distinct.append(name)
    return distinct


def is_safe(name: str) -> bool:
    """Return whether a name means a plain, visible file in one directory, and can stand in a metadata line.

    Example:
        >>> [is_safe(name) for name in ("a b.jpg", "a,b.jpg", "../a.jpg", ".a.jpg", "")]
        [True, False, False, False, False]
    """
    return name == name.strip() and name.isprintable() and not name.startswith(".") and name != "" and not set(name) & set(",/\\:")
