"""Tar archives of images as a source, named as WebDataset names them: each archive is a shard, and is not read before it is encoded."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ...runs.shards import SPARSE_STRIDE
from ..own.folder import SUFFIXES
from ._files import fingerprint
from ._interface import Images, Shard, Source
from ._labels import label_vectors

_LABEL = ".cls"


@dataclass
class _Sample:
    images: list[tarfile.TarInfo] = field(default_factory=list)
    labels: list[bytes] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


class _ArchivedImages(Images):
    """Images of an archive, each read by its place in the file."""

    def __init__(self, file: Path, members: Sequence[tuple[str, int, int]]) -> None:
        self._file, self._members = file, members

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

    def part(self, rows: slice) -> Images:
        """Return images that follow each other."""
        return _ArchivedImages(self._file, self._members[rows])


def tar_source(files: Sequence[Path], names: Sequence[str], title: str, classes: Sequence[str]) -> Source:
    """Return archives as a source: the files of an image share their name up to the first dot, which is its key; ``.cls`` holds its label.

    Args:
        files: the archives, in their order.
        names: what they are called.
        title: what they are called together.
        classes: the classes that labels number from 0; none to leave labels out.
    """
    labelled = next((answer for answer in map(_is_labelled, files) if answer is not None), False)
    known = tuple(classes) if labelled or not classes else None
    sha256 = fingerprint([(name, file.stat().st_size) for name, file in zip(names, files, strict=True)])
    shards = tuple(Shard(number, number * SPARSE_STRIDE, None, partial(_of_archive, file, known)) for number, file in enumerate(files))
    return Source("tar", title, sha256, shards, known or ())


def _is_labelled(file: Path) -> bool | None:
    """Tell whether the first image of an archive has a label; None for an archive that is empty or cannot be read."""
    try:
        with tarfile.open(file, "r:") as archive:
            for _, members in groupby(_members(archive), key=itemgetter(0)):
                return any(ending == _LABEL for _, ending, _ in members)
    except (OSError, tarfile.TarError):  # its shard will fail, and no other
        return None
    return None


def _members(archive: tarfile.TarFile) -> Iterator[tuple[str, str, tarfile.TarInfo]]:
    """Yield the key and the ending of each file of an archive, and the file; hidden ones are left out."""
    for member in archive:
        folder, _, name = member.name.rpartition("/")
        stem, dot, ending = name.partition(".")
        if member.isfile() and stem:
            yield f"{folder}/{stem}" if folder else stem, f"{dot}{ending}".lower(), member


def _of_archive(file: Path, classes: Sequence[str] | None) -> Images:
    samples: dict[str, _Sample] = {}
    try:
        with tarfile.open(file, "r:") as archive:
            for key, ending, member in _members(archive):
                sample = samples.setdefault(key, _Sample())
                if ending in SUFFIXES:
                    sample.images.append(member)
                else:
                    sample.others.append(member.name.rpartition("/")[2])
                if ending == _LABEL and classes != () and (stream := archive.extractfile(member)):
                    sample.labels.append(stream.read())
    except tarfile.TarError as error:
        raise DataError(f"{file} cannot be read as an uncompressed tar archive: {error}") from error
    if not samples:
        raise DataError(f"{file} holds no images ({', '.join(SUFFIXES)})")
    images = _ArchivedImages(file, [_image_of(file, key, sample) for key, sample in samples.items()])
    images.keys, images.labels = list(samples), _labels_of(file, samples, classes)
    return images


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


def _labels_of(file: Path, samples: Mapping[str, _Sample], classes: Sequence[str] | None) -> NDArray[np.uint8] | None:
    """Return the labels of all samples, (n, C), or None where none is to have one.

    Raises:
        DataError: if a sample has a label and others have none, or the other way round, or several; or one is no number.
        UnknownNameError: for a number of no class.
    """
    wanted = 1 if classes else 0
    for key, sample in samples.items():
        if len(sample.labels) != wanted:
            raise DataError(f"{key} of {file} has {len(sample.labels)} {_LABEL} files, and the first image of these archives has {wanted}: "
                            "either each image has one beside it, or none has")  # fmt: skip
    if not classes:
        return None
    keys = list(samples)
    numbers = [_number(file, key, sample.labels[0]) for key, sample in samples.items()]
    return label_vectors(numbers, classes, lambda row: f"{keys[row]} of {file}")


def _number(file: Path, key: str, content: bytes) -> int:
    try:
        return int(content)
    except ValueError as error:
        raise DataError(f"{key}{_LABEL} of {file} holds {content[:20]!r}, and not the number of a class, counted from 0") from error
