"""Segments: the immutable directories that codes, ids and labels of an index lie in."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...checksums import digest
from ...errors import RunError
from .kernels import Bytes, Ids, Slots, group_codes

Record = Mapping[str, tuple[int, str]]  # of each file, its bytes and its SHA-256
REMEDY = "restore it, or build the index anew"


@dataclass(frozen=True)
class Segment:
    """Codes, ids and labels of some items.

    Equal codes are a group. Groups stand in the order of their smallest ids, and a byte of all groups is one row, which is what a scan
    reads.

    Args:
        codes: uint8 (bytes of a code, groups).
        starts: where the items of each group begin, int64 (groups + 1,); empty where all codes are distinct.
        items: ids, rising within a group, int64 (n,).
        table: slot of a hash table -> group, -1 for none, int32 (a power of two,).
        labels: classes, eight a byte, in the order of the items, uint8 (bytes of a row, n); of no rows without labels.
    """

    codes: Bytes
    starts: Ids
    items: Ids
    table: Slots
    labels: Bytes

    def __len__(self) -> int:
        return len(self.items)

    @property
    def groups(self) -> int:
        """How many distinct codes there are."""
        return self.codes.shape[1]

    def places(self, ids: Ids) -> Ids:
        """Return the places among the items of those ids that are here, in no order."""
        return np.flatnonzero(np.isin(self.items, ids))

    def codes_at(self, places: Ids) -> Bytes:
        """Return the packed codes of some items, (places, bytes)."""
        groups = np.searchsorted(self.starts, places, side="right") - 1 if len(self.starts) else places
        return np.ascontiguousarray(self.codes[:, groups].T)

    def labels_at(self, places: Ids, classes: int) -> Bytes:
        """Return the labels of some items, 0 or 1, (places, classes); zeros where the segment has none."""
        if not len(self.labels):
            return np.zeros((len(places), classes), np.uint8)
        return np.unpackbits(self.labels[:, places].T, axis=1, count=classes)


def make_segment(codes: Bytes, ids: Ids, labels: Bytes) -> Segment:
    """Group codes.

    Args:
        codes: packed, (n, bytes), n at least 1.
        ids: rising, (n,).
        labels: packed, (n, bytes of a row).

    Example:
        >>> segment = make_segment(np.array([[7], [3], [7]], np.uint8), np.array([4, 5, 6]), np.empty((3, 0), np.uint8))
        >>> segment.codes.tolist(), segment.starts.tolist(), segment.items.tolist()
        ([[7, 3]], [0, 2, 3], [4, 6, 5])
    """
    groups, firsts, table = group_codes(np.ascontiguousarray(codes))
    distinct = np.ascontiguousarray(codes[firsts].T)
    if len(firsts) == len(codes):
        return Segment(distinct, np.empty(0, np.int64), ids.astype(np.int64), table, np.ascontiguousarray(labels.T))
    order = np.argsort(groups, kind="stable")
    starts = np.concatenate(([0], np.cumsum(np.bincount(groups)))).astype(np.int64)
    return Segment(distinct, starts, ids[order].astype(np.int64), table, np.ascontiguousarray(labels[order].T))


def write_segment(folder: Path, number: int, segment: Segment) -> tuple[str, Record]:
    """Write a segment, whole or not at all, and onto the disk before it gets its name.

    Args:
        folder: where segments lie.
        number: where its name begins.

    Returns:
        The name of its directory, and the record of its files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".", suffix=".new", dir=folder))
    try:
        temporary.chmod(0o777 & ~_umask())
        record = {}
        for name, array in _arrays(segment).items():
            file = temporary / f"{name}.npy"
            with _named(file), file.open("wb") as stream:
                np.save(stream, array)
                stream.flush()
                os.fsync(stream.fileno())
            record[file.name] = (file.stat().st_size, digest(file))
        _sync_folder(temporary)
        target = folder / f"{number:06d}-{temporary.name[1:-4]}"
        temporary.rename(target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _sync_folder(folder)
    return target.name, record


def open_segment(folder: Path, record: Record) -> Segment:
    """Map the files of a segment.

    Raises:
        RunError: if a file is missing, differs from its recorded size, or has another content; the message names it.
    """
    for name, (size, _) in record.items():
        file = folder / name
        actual = file.stat().st_size if file.is_file() else None
        if actual != size:
            state = "is missing" if actual is None else f"has {actual:,} bytes instead of {size:,}"
            raise RunError(f"{file} {state}: {REMEDY}")
    items = _map(folder, "items", record)
    absent: dict[str, NDArray[Any]] = {"starts": np.empty(0, np.int64), "labels": np.empty((0, len(items)), np.uint8)}
    segment = Segment(*(_map(folder, field.name, record, absent.get(field.name)) for field in fields(Segment)))
    if len(segment.starts) not in (0, segment.groups + 1) or segment.labels.shape[1:] != items.shape:
        raise RunError(f"the files in {folder} do not belong together: {REMEDY}")
    return segment


def check_segment(folder: Path, record: Record) -> None:
    """Compare the checksums of a segment's files with their record.

    Raises:
        RunError: naming the file that is not what was written.
    """
    for name, (_, checksum) in record.items():
        if digest(folder / name) != checksum:
            raise RunError(f"{folder / name} was changed after it was written (its checksum is another): {REMEDY}")


def _arrays(segment: Segment) -> dict[str, NDArray[Any]]:
    """Return what is written: neither group starts where all codes are distinct, nor labels where there are none."""
    arrays = {field.name: getattr(segment, field.name) for field in fields(Segment)}
    return {name: array for name, array in arrays.items() if array.size or name not in ("starts", "labels")}


def _map(folder: Path, name: str, record: Record, absent: NDArray[Any] | None = None) -> NDArray[Any]:
    if absent is not None and f"{name}.npy" not in record:
        absent.flags.writeable = False  # as those that are mapped, so that one compiled loop takes both
        return absent
    file = folder / f"{name}.npy"
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise RunError(f"{file} is no plain array of NumPy: {REMEDY}") from error
    kind = {"codes": (np.uint8, 2), "starts": (np.int64, 1), "items": (np.int64, 1), "table": (np.int32, 1), "labels": (np.uint8, 2)}[name]
    if (array.dtype, array.ndim) != kind:
        raise RunError(f"{file} holds {array.dtype} {array.shape}: {REMEDY}")
    return np.asarray(array)


@contextmanager
def _named(file: Path) -> Iterator[None]:
    """Have the error of a full disk name a file."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(file)
        raise


def _sync_folder(folder: Path) -> None:
    """Have the names in a directory written to the disk, where the system can do that."""
    if os.name == "nt":
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
