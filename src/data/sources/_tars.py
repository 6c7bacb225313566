"""Tar archives of images as a source, named as WebDataset names them: each archive is a shard, and is not read before it is encoded."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO

from ...errors import DataError
from ...runs.shards import SPARSE_STRIDE
from ..own.folder import SUFFIXES
from ._files import fingerprint
from ._interface import Images, Shard, Source


@dataclass
class _Sample:
    images: list[tarfile.TarInfo] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


class _ArchivedImages(Images):
    """Images of an archive, each read by its place in the file."""

    def __init__(self, file: Path, members: dict[str, tuple[str, int, int]]) -> None:
        self._file, self._members, self.keys = file, list(members.values()), list(members)

    def __len__(self) -> int:
        return len(self._members)

    def file(self, row: int) -> IO[bytes]:
        """Return a stream of the bytes of an image."""
        _, offset, size = self._members[row]
        with self._file.open("rb") as stream:
            stream.seek(offset)
            return io.BytesIO(stream.read(size))

    def where(self, row: int) -> str:
        """Return the name of the member and the archive."""
        return f"{self._members[row][0]} of {self._file}"


def tar_source(files: Sequence[Path], names: Sequence[str], title: str) -> Source:
    """Return archives as a source: the files of an image share their name up to the first dot, which is its key.

    Args:
        files: the archives, in their order.
        names: what they are called.
        title: what they are called together.
    """
    sha256 = fingerprint([(name, file.stat().st_size) for name, file in zip(names, files, strict=True)])
    shards = tuple(Shard(number, number * SPARSE_STRIDE, None, partial(_of_archive, file)) for number, file in enumerate(files))
    return Source("tar", title, sha256, shards)


def _of_archive(file: Path) -> Images:
    samples: dict[str, _Sample] = {}
    try:
        with tarfile.open(file, "r:") as archive:
            for member in archive:
                folder, _, name = member.name.rpartition("/")
                if not member.isfile() or name.startswith("."):
                    continue
                stem, dot, ending = name.partition(".")
                sample = samples.setdefault(f"{folder}/{stem}" if folder else stem, _Sample())
                if f"{dot}{ending}".lower() in SUFFIXES:
                    sample.images.append(member)
                else:
                    sample.others.append(name)
    except tarfile.TarError as error:
        raise DataError(f"{file} cannot be read as an uncompressed tar archive: {error}") from error
    if not samples:
        raise DataError(f"{file} holds no images ({', '.join(SUFFIXES)})")
    return _ArchivedImages(file, {key: _image_of(file, key, sample) for key, sample in samples.items()})


def _image_of(file: Path, key: str, sample: _Sample) -> tuple[str, int, int]:
    """Return name, offset and size of the image of a sample.

    Raises:
        DataError: if it has none, or several.
    """
    if not sample.images:
        raise DataError(f"{key} of {file} has no image, only {', '.join(sample.others)}; the endings of images are {', '.join(SUFFIXES)}")
    if len(sample.images) > 1:
        raise DataError(f"the key {key!r} comes twice in {file}: {', '.join(member.name for member in sample.images)}")
    (image,) = sample.images
    return image.name, image.offset_data, image.size
