"""Changes of an index: added and removed items, and segments that are merged."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...codes import pack
from ...errors import RunError, UsageError
from .engine import Part
from .kernels import Bytes, Ids
from .segments import Segment, make_segment, open_segment, write_segment
from .store import SEGMENTS, ItemRow, SegmentRow, Store

MOST_SEGMENTS = 32  # more are merged


class Writer:
    """Changes of an index in one transaction; see :meth:`Index.writing`."""

    def __init__(self, store: Store, connection: sqlite3.Connection) -> None:
        self._store, self._connection = store, connection
        self._facts = store.state(connection).facts
        self._next = store.next_id(connection)
        self._ids: list[Ids] = []
        self._rows: list[ItemRow] = []
        self._codes: list[Bytes] = []
        self._labels: list[NDArray[np.uint8]] = []

    def add(
        self,
        codes: NDArray[Any],
        paths: Sequence[str],
        labels: NDArray[Any] | None = None,
        *,
        origins: Sequence[tuple[str, int]] | None = None,
        files: Sequence[tuple[int, int]] | None = None,
    ) -> Ids:
        """Add items, a path that is there already in place of the earlier item, and return their ids.

        Args:
            codes: as in :meth:`Index.build`; none is fine.
            paths: of the images.
            labels: 0 or 1, (n, C); None for none.
            origins: fold and row of each item in the run.
            files: size and time of change of each file.

        Raises:
            UsageError: if the arguments do not fit together.
        """
        self._flush()
        rows = packed(codes, self._facts.bits)
        if len(paths) != len(rows) or any("\0" in path for path in paths):
            raise UsageError(f"{len(rows)} codes need as many paths, not {len(paths)}, none of them with a NUL")
        if origins is None and len(set(paths)) != len(paths):
            raise UsageError("a path is given twice: an item is known by its path")
        if self._next > self._facts.first_id:
            self.remove([known.id for path in paths if (known := self.find(path))])
        ids = np.arange(self._next, self._next + len(rows))
        places = [(None, None)] * len(rows) if origins is None else origins
        facts = [(None, None)] * len(rows) if files is None else files
        self._rows += [ItemRow(int(n), path, *place, *fact) for n, path, place, fact in zip(ids, paths, places, facts, strict=True)]
        self._append(ids, rows, labels)
        return ids

    def add_shard(self, codes: NDArray[Any], ids: Ids, labels: NDArray[Any] | None = None) -> None:
        """Add items that have ids already, and paths elsewhere.

        Args:
            codes, labels: as in :meth:`add`.
            ids: rising, and greater than those of all items before, (n,).

        Raises:
            UsageError: if the arguments do not fit together.
        """
        self._flush()
        rows = packed(codes, self._facts.bits)
        if len(ids) != len(rows) or (np.diff(ids, prepend=self._next - 1) < 1).any():
            raise UsageError(f"{len(rows)} codes need as many ids, rising from {self._next} at least")
        self._append(ids, rows, labels)

    def _append(self, ids: Ids, rows: Bytes, labels: NDArray[Any] | None) -> None:
        count = len(self._facts.classes)
        if labels is not None and labels.shape != (len(rows), count):
            raise UsageError(f"labels of shape {labels.shape} do not fit to {len(rows)} items and {count} classes")
        self._next = int(ids[-1]) + 1 if len(ids) else self._next
        self._ids.append(ids)
        self._codes.append(rows)
        self._labels.append(np.zeros((len(rows), count), np.uint8) if labels is None else np.asarray(labels != 0, np.uint8))

    def remove(self, ids: Iterable[int]) -> None:
        """Remove items.

        Raises:
            RunError: naming an id that no item has; nothing of the transaction is done then.
        """
        self._flush()
        for number in ids:
            words = "SELECT 1 FROM items WHERE id = ? AND id NOT IN (SELECT id FROM removed)"
            if self._connection.execute(words, (int(number),)).fetchone() is None:
                raise RunError(f"{self._store.folder} has no item {number}")
            self._connection.execute("INSERT INTO removed VALUES (?)", (int(number),))

    def find(self, path: str) -> ItemRow | None:
        """Return the living item of a path, None if there is none."""
        return self._store.find(self._connection, path)

    def finish(self) -> None:
        """Write what was added; the end of the transaction commits it."""
        self._flush()
        segments = self._store.state(self._connection).segments
        if len(segments) > MOST_SEGMENTS:
            self.compact(first_small([row.items for row in segments]))

    def compact(self, first: int) -> None:
        """Merge the segments from the first on into one, without the removed items."""
        self._flush()
        state = self._store.state(self._connection)
        rows, removed = state.segments[first:], np.array(state.removed, np.int64)
        if len(rows) < 2 and not len(removed):
            return
        segments = [open_segment(self._store.folder / SEGMENTS / row.folder, row.files) for row in rows]
        ids, codes, labels = expanded([Part.of(segment, without(segment, removed)) for segment in segments])
        gone = np.concatenate([np.empty(0, np.int64), *(removed[np.isin(removed, segment.items)] for segment in segments)]).tolist()
        for table in ("items", "removed"):
            self._connection.executemany(f"DELETE FROM {table} WHERE id = ?", ((number,) for number in gone))
        self._connection.executemany("DELETE FROM segments WHERE number = ?", ((row.number,) for row in rows))
        self._write(ids, codes, labels, rows[0].number)

    def _flush(self) -> None:
        if not self._ids:
            return
        ids = np.concatenate(self._ids)
        number = self._connection.execute("SELECT coalesce(max(number), 0) + 1 FROM segments").fetchone()[0]
        self._write(ids, np.concatenate(self._codes), np.packbits(np.concatenate(self._labels), axis=1), number)
        self._store.insert(self._connection, self._rows)
        self._store.set_next_id(self._connection, self._next)
        self._ids, self._rows, self._codes, self._labels = [], [], [], []

    def _write(self, ids: Ids, codes: Bytes, labels: Bytes, number: int) -> None:
        if len(ids):
            folder, record = write_segment(self._store.folder / SEGMENTS, number, make_segment(codes, ids, labels))
            self._store.insert_segment(self._connection, SegmentRow(number, folder, len(ids), record))


def packed(codes: NDArray[Any], bits: int) -> Bytes:
    """Return codes packed, whether they are so already or one number per bit.

    Raises:
        UsageError: if they are of another length than so many bits.
    """
    width = (bits + 7) // 8
    if codes.ndim == 2 and codes.dtype == np.uint8 and codes.shape[1] == width:
        spare = 8 * width - bits
        if spare and (codes[:, -1] & ((1 << spare) - 1)).any():
            raise UsageError(f"packed codes of {bits} bits end in {spare} zeros, and these do not: they are of another length")
        return np.ascontiguousarray(codes)
    if codes.ndim == 2 and codes.shape[1] == bits and codes.dtype != np.uint8:
        return pack(codes)
    raise UsageError(f"codes of {codes.dtype} {codes.shape} are not of {bits} bits: ({width} bytes, packed, or {bits} numbers each)")


def without(segment: Segment, removed: Ids) -> NDArray[np.bool_] | None:
    """Return which items of a segment are not removed, None for all of them."""
    return ~np.isin(segment.items, removed) if len(removed) else None


def expanded(parts: Sequence[Part]) -> tuple[Ids, Bytes, Bytes]:
    """Return ids, packed codes and packed labels of all living items, by rising id."""
    ids, codes, labels = [], [], []
    for part in parts:
        places = np.flatnonzero(part.alive) if len(part.alive) else np.arange(len(part.segment))
        places = places[np.argsort(part.segment.items[places])]
        ids.append(part.segment.items[places])
        codes.append(part.segment.codes_at(places))
        labels.append(np.ascontiguousarray(part.segment.labels[:, places].T))
    if not ids:
        return np.empty(0, np.int64), np.empty((0, 0), np.uint8), np.empty((0, 0), np.uint8)
    return np.concatenate(ids), np.concatenate(codes), np.concatenate(labels)


def first_small(sizes: Sequence[int]) -> int:
    """Return from which segment on all are small beside those after them, so that an item is rewritten a few times only.

    Example:
        >>> first_small([1000000, 10, 10, 10]), first_small([8, 4, 2, 1])
        (1, 0)
    """
    first, total = len(sizes) - 1, sizes[-1]
    while first and sizes[first - 1] <= 2 * total:
        first -= 1
        total += sizes[first]
    return first
