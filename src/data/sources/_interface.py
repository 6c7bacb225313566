"""What a source of images is: shards of it, each of which is read where it is encoded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray


class Images(ABC):
    """The images of one shard.

    Attributes:
        keys: a name for each image, no two the same, where the source has such; else None.
        labels: (n, C) uint8, each 0 or 1, where the source has such; else None.
    """

    keys: Sequence[str] | None = None
    labels: NDArray[np.uint8] | None = None

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def file(self, row: int) -> Path | IO[bytes]:
        """Return the file of an image, or a stream of its bytes.

        Args:
            row: counted from 0 in this shard.
        """

    @abstractmethod
    def where(self, row: int) -> str:
        """Return in words which image a row is."""

    @abstractmethod
    def part(self, rows: slice) -> Images:
        """Return images that follow each other, without keys and labels, small enough to be sent to another process."""


@dataclass(frozen=True)
class Shard:
    """One shard of a source; it can be pickled, and is small however many images it stands for.

    Args:
        number: counted from 0.
        first: id of its first image.
        images: number of images; None where they are not counted before they are read.
        read: returns its images.
    """

    number: int
    first: int
    images: int | None
    read: Callable[[], Images]


@dataclass(frozen=True)
class Source:
    """Images to encode.

    Args:
        kind: what it is ("fold", "directory", "list", "parquet", "tar").
        name: what it is called: the fold, or the last part of its path.
        sha256: checksum of the metadata or the list, or of the names and sizes of all files.
        shards: its shards, in their order.
        classes: class names, in the order of the label columns; empty without labels.
    """

    kind: str
    name: str
    sha256: str
    shards: tuple[Shard, ...]
    classes: tuple[str, ...] = ()

    @property
    def is_counted(self) -> bool:
        """Whether the number of images is known before they are read, so that their ids are their rows."""
        return all(shard.images is not None for shard in self.shards)
