"""An index of codes: build it, ask it, change it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import __version__
from ..codes import pack
from ..errors import RunError, UsageError, unknown_name
from ..runs import Run
from ._engine import Answer, Part, nearest
from ._kernels import Bytes, Ids
from ._segments import Segment, check_segment, make_segment, open_segment, write_segment
from ._store import SEGMENTS, Facts, ItemRow, SegmentRow, State, Store

MOST_SEGMENTS = 32  # more are merged


@dataclass(frozen=True)
class Item:
    """An item of an index.

    Args:
        id: its number, given once and never again.
        path: of the image, below the project root where it is.
        labels: 0 or 1 for each class, uint8 (C,); empty where the index has none.
        fold, row: where it is in the run; None for an added one.
    """

    id: int
    path: str
    labels: NDArray[np.uint8]
    fold: str | None
    row: int | None


class Index:
    """Codes, paths and labels on disk, and what is nearest to a query among them: exactly, by distance and then by id.

    Whoever has opened an index keeps the state it had then, until :meth:`refresh`. Searching is safe in several threads.

    Args:
        folder: where it lies.

    Raises:
        RunError: when there is no index, it is damaged, or of a newer format.

    Example:
        >>> import tempfile
        >>> codes = np.array([[1, 1, 1], [-1, 1, 1], [1, 1, 1], [-1, -1, -1]])
        >>> index = Index.build(Path(tempfile.mkdtemp()), codes, ["a.png", "b.png", "c.png", "d.png"])
        >>> answer = index.search(np.array([[1, 1, -1]]), k=1)[0]
        >>> answer.ids.tolist(), answer.distances.tolist(), answer.tied
        ([0], [1], 1)
        >>> with index.writing() as writer:
        ...     writer.remove([0])
        >>> index.refresh().search(codes[:1], k=2)[0].ids.tolist()
        [2, 1]
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._store = Store(self.folder)
        self._state, self._parts = self._read()

    @classmethod
    def open(cls, folder: str | Path) -> Index:
        """Open an index; the same as ``Index(folder)``."""
        return cls(folder)

    @classmethod
    def of(cls, run: Run | str | Path, view: str = "image") -> Index:
        """Open the index of a run.

        Args:
            run: the run, or the path of its directory.
            view: which of its codes, where there are several.

        Raises:
            RunError: when there is no such run, or it has no index.
        """
        run = run if isinstance(run, Run) else Run.at(run)
        return cls(run.index(view))

    @classmethod
    def build(
        cls,
        folder: str | Path,
        codes: NDArray[Any],
        paths: Sequence[str],
        labels: NDArray[Any] | None = None,
        facts: Facts | None = None,
        origins: Sequence[tuple[str, int]] | None = None,
    ) -> Index:
        """Make an index, in place of the one that may be there.

        Args:
            folder: where it is to lie.
            codes: ±1 or real-valued, (n, bits), or packed, uint8 (n, bytes); n at least 1.
            paths: of the images, n of them.
            labels: 0 or 1, (n, C); None for an index without.
            facts: what it belongs to; needed where codes are packed or there are labels.
            origins: fold and row of each item in the run; None where they stem from none.

        Raises:
            UsageError: when the arguments do not fit together.
        """
        facts = Facts(bits=codes.shape[1], version=__version__) if facts is None else facts
        if not len(codes):
            raise UsageError(f"an index of no items cannot be made ({folder})")
        with cls.building(folder, facts) as writer:
            writer.add(codes, paths, labels, origins=origins)
        return cls(folder)

    @classmethod
    @contextmanager
    def building(cls, folder: str | Path, facts: Facts) -> Iterator[Writer]:
        """Give the writer of a new index, which takes the place of the one that may be there when the block ends without an error.

        Args:
            folder: where it is to lie.
            facts: what it belongs to.
        """
        store = Store(Path(folder))
        with store.writing(create=facts, replace=True) as connection:
            writer = Writer(store, connection)
            yield writer
            writer.finish()
        with store.writing():  # sweeps what the earlier index left
            pass

    @classmethod
    def create(cls, folder: str | Path, facts: Facts) -> Index:
        """Open an index, having made an empty one where there is none.

        Raises:
            RunError: when the one that is there belongs to something else.
        """
        store = Store(Path(folder))
        with store.writing(create=facts):
            pass
        index = cls(folder)
        if replace(index.facts, version=facts.version) != facts:
            raise RunError(f"{folder} belongs to {index.facts}, not to {facts}")
        return index

    @property
    def facts(self) -> Facts:
        """What the index belongs to."""
        return self._state.facts

    def __len__(self) -> int:
        """Return how many items there are."""
        return sum(part.total for part in self._parts)

    @property
    def distinct(self) -> int:
        """How many distinct codes are scanned; one that lies in several segments counts in each."""
        return sum(part.segment.groups for part in self._parts)

    @property
    def segments(self) -> int:
        """How many segments there are."""
        return len(self._parts)

    def refresh(self) -> Index:
        """See what was committed since, and return this index."""
        self._state, self._parts = self._read()
        return self

    def search(
        self, codes: NDArray[Any], k: int = 10, classes: Sequence[str] | None = None, exclude: Sequence[int] | None = None
    ) -> list[Answer]:
        """Return the k nearest items of each query.

        Args:
            codes: ±1 or real-valued, (q, bits), or packed, uint8 (q, bytes).
            k: how many items, at least 1; all of them where the index has fewer.
            classes: names; only items with one of these are answers. None for all.
            exclude: an id for each query that is no answer to it, -1 for none.

        Raises:
            UsageError: for codes of another length, or an unknown class.
        """
        return self._nearest(codes, k, None, classes, exclude)

    def within(
        self, codes: NDArray[Any], radius: int, most: int = 1000, classes: Sequence[str] | None = None, exclude: Sequence[int] | None = None
    ) -> list[Answer]:
        """Return the items within a distance of each query; ``total`` says how many there are.

        Args:
            codes, classes, exclude: as in :meth:`search`.
            radius: the distance, at least 0.
            most: how many items an answer has at most.
        """
        if radius < 0:
            raise UsageError(f"radius {radius} is not possible: it must be at least 0")
        return self._nearest(codes, most, min(radius, self.facts.bits), classes, exclude)

    def items(self, ids: Iterable[int]) -> list[Item]:
        """Return items by id.

        Raises:
            RunError: naming an id that no item has.
        """
        wanted = [int(number) for number in ids]
        with self._store.reading() as connection:
            rows = self._store.items(connection, wanted)
        labels = self._labels_of(wanted)
        return [Item(row.id, row.path, labels[row.id], row.fold, row.row) for row in rows]

    def item(self, number: int) -> Item:
        """Return an item by id."""
        return self.items([number])[0]

    def find(self, path: str) -> int | None:
        """Return the id of the living item of a path, None if there is none."""
        with self._store.reading() as connection:
            row = self._store.find(connection, path)
        return None if row is None else row.id

    def code(self, number: int) -> Bytes:
        """Return the packed code of an item, (bytes,).

        Raises:
            RunError: naming an id that no item has.
        """
        for part in self._parts:
            places = part.segment.places(np.array([number]))
            if len(places) and (not len(part.alive) or part.alive[places[0]]):
                return part.segment.codes_at(places)[0]
        raise RunError(f"{self.folder} has no item {number}")

    def codes(self) -> tuple[Ids, Bytes]:
        """Return ids, (n,), and packed codes, (n, bytes), of all items, by rising id: for a library of your choice."""
        ids, codes, _ = _expanded(self._parts)
        return ids, codes.reshape(len(ids), (self.facts.bits + 7) // 8)

    def files(self, paths: Iterable[str]) -> dict[str, tuple[int | None, int | None]]:
        """Return size and time of change of those files that living items have, as they were when they were added; None for a run's own."""
        with self._store.reading() as connection:
            rows = (self._store.find(connection, path) for path in paths)
            return {row.path: (row.size, row.mtime_ns) for row in rows if row is not None}

    def added(self) -> list[str]:
        """Return the paths of the living items that stem from no fold of a run, by id."""
        with self._store.reading() as connection:
            return self._store.added(connection)

    def check(self) -> None:
        """Compare every file with its checksum, and the items with the segments.

        Raises:
            RunError: naming what is wrong.
        """
        with self._store.reading() as connection:
            state = self._store.state(connection)
            parts = self._mapped(state)
            for row in state.segments:
                check_segment(self.folder / SEGMENTS / row.folder, row.files)
            kept = {number for (number,) in connection.execute("SELECT id FROM items WHERE id NOT IN (SELECT id FROM removed)")}
        ids, _, _ = _expanded(parts)
        if len(ids) != len(kept) or set(ids.tolist()) != kept:
            raise RunError(f"{self.folder} holds {len(ids):,} codes, but names {len(kept):,} items: build the index anew")

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """Give a writer whose changes are committed together, when the block ends without an error.

        Raises:
            RunError: when another process writes for a minute.
        """
        with self._store.writing() as connection:
            writer = Writer(self._store, connection)
            yield writer
            writer.finish()

    def compact(self) -> None:
        """Merge all segments into one, without the removed items; ids stay."""
        with self._store.writing() as connection:
            Writer(self._store, connection).compact(0)
        with self._store.writing():
            pass

    def packed(self, codes: NDArray[Any]) -> Bytes:
        """Return codes packed.

        Raises:
            UsageError: when they are of another length.
        """
        return packed(codes, self.facts.bits)

    def _read(self) -> tuple[State, list[Part]]:
        with self._store.reading() as connection:  # no compaction can remove a file before it is mapped
            state = self._store.state(connection)
            return state, self._mapped(state)

    def _mapped(self, state: State) -> list[Part]:
        removed = np.array(state.removed, dtype=np.int64)
        segments = [open_segment(self.folder / SEGMENTS / row.folder, row.files) for row in state.segments]
        return [Part.of(segment, _without(segment, removed)) for segment in segments]

    def _nearest(
        self, codes: NDArray[Any], most: int, radius: int | None, classes: Sequence[str] | None, exclude: Sequence[int] | None
    ) -> list[Answer]:
        if most < 1:
            raise UsageError(f"k = {most} is not possible: it must be at least 1")
        queries = self.packed(codes)
        excluded = np.full(len(queries), -1, np.int64) if exclude is None else np.asarray(exclude, dtype=np.int64)
        parts = self._parts if classes is None else self._of_classes(classes)
        return nearest(parts, queries, bits=self.facts.bits, most=most, radius=radius, excluded=excluded)

    def _of_classes(self, names: Sequence[str]) -> list[Part]:
        vector = np.zeros(len(self.facts.classes), np.uint8)
        for name in names:
            if name not in self.facts.classes:
                raise unknown_name("class", name, self.facts.classes)
            vector[self.facts.classes.index(name)] = 1
        wanted = np.packbits(vector)[:, None]
        parts = []
        for part in self._parts:
            labels = part.segment.labels
            mask = (labels & wanted).any(axis=0) if len(labels) else np.zeros(len(part.segment), np.bool_)
            parts.append(Part.of(part.segment, mask & (part.alive != 0) if len(part.alive) else mask))
        return parts

    def _labels_of(self, ids: Sequence[int]) -> dict[int, NDArray[np.uint8]]:
        count, wanted, found = len(self.facts.classes), np.array(ids, dtype=np.int64), dict.fromkeys(ids, np.empty(0, np.uint8))
        for part in self._parts if count else ():
            places = part.segment.places(wanted)
            if len(part.segment.labels):
                rows = np.unpackbits(part.segment.labels[:, places].T, axis=1, count=count)
            else:
                rows = np.zeros((len(places), count), np.uint8)
            found |= dict(zip(part.segment.items[places].tolist(), rows, strict=True))
        return found


class Writer:
    """Changes of an index in one transaction; see :meth:`Index.writing`."""

    def __init__(self, store: Store, connection: sqlite3.Connection) -> None:
        self._store, self._connection = store, connection
        self._facts = store.state(connection).facts
        self._next = store.next_id(connection)
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
            UsageError: when the arguments do not fit together.
        """
        self._flush()
        rows, count = packed(codes, self._facts.bits), len(self._facts.classes)
        if labels is not None and labels.shape != (len(rows), count):
            raise UsageError(f"labels of shape {labels.shape} do not fit to {len(rows)} items and {count} classes")
        if len(paths) != len(rows) or any("\0" in path for path in paths):
            raise UsageError(f"{len(rows)} codes need as many paths, not {len(paths)}, none of them with a NUL")
        if origins is None and len(set(paths)) != len(paths):
            raise UsageError("a path is given twice: an item is known by its path")
        if self._next > self._facts.first_id:
            self.remove([known.id for path in paths if (known := self.find(path))])
        ids = np.arange(self._next, self._next + len(rows))
        self._next += len(rows)
        places = [(None, None)] * len(rows) if origins is None else origins
        facts = [(None, None)] * len(rows) if files is None else files
        self._rows += [ItemRow(int(n), path, *place, *fact) for n, path, place, fact in zip(ids, paths, places, facts, strict=True)]
        self._codes.append(rows)
        self._labels.append(np.zeros((len(rows), count), np.uint8) if labels is None else np.asarray(labels != 0, np.uint8))
        return ids

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
            self.compact(_first_small([row.items for row in segments]))

    def compact(self, first: int) -> None:
        """Merge the segments from the first on into one, without the removed items."""
        self._flush()
        state = self._store.state(self._connection)
        rows, removed = state.segments[first:], np.array(state.removed, np.int64)
        if len(rows) < 2 and not len(removed):
            return
        segments = [open_segment(self._store.folder / SEGMENTS / row.folder, row.files) for row in rows]
        ids, codes, labels = _expanded([Part.of(segment, _without(segment, removed)) for segment in segments])
        gone = np.concatenate([np.empty(0, np.int64), *(removed[np.isin(removed, segment.items)] for segment in segments)]).tolist()
        for table in ("items", "removed"):
            self._connection.executemany(f"DELETE FROM {table} WHERE id = ?", ((number,) for number in gone))
        self._connection.executemany("DELETE FROM segments WHERE number = ?", ((row.number,) for row in rows))
        self._write(ids, codes, labels, rows[0].number)

    def _flush(self) -> None:
        if not self._rows:
            return
        ids = np.array([row.id for row in self._rows], np.int64)
        number = self._connection.execute("SELECT coalesce(max(number), 0) + 1 FROM segments").fetchone()[0]
        self._write(ids, np.concatenate(self._codes), np.packbits(np.concatenate(self._labels), axis=1), number)
        self._store.insert(self._connection, self._rows)
        self._store.set_next_id(self._connection, self._next)
        self._rows, self._codes, self._labels = [], [], []

    def _write(self, ids: Ids, codes: Bytes, labels: Bytes, number: int) -> None:
        if len(ids):
            folder, record = write_segment(self._store.folder / SEGMENTS, number, make_segment(codes, ids, labels))
            self._store.insert_segment(self._connection, SegmentRow(number, folder, len(ids), record))


def packed(codes: NDArray[Any], bits: int) -> Bytes:
    """Return codes packed, whether they are so already or one number per bit.

    Raises:
        UsageError: when they are of another length than so many bits.
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


def merge(answers: Sequence[Answer], k: int) -> Answer:
    """Return the answer of several indexes whose ids are different, to the same query.

    Args:
        answers: one of each index, each for at least k items.
        k: how many items.

    Example:
        >>> near, far = (Answer(np.array([number]), np.array([distance]), 0, 1) for number, distance in ((7, 2), (3, 2)))
        >>> merge([near, far], 1)
        Answer(ids=array([3]), distances=array([2]), tied=1, total=2)
    """
    ids = np.concatenate([one.ids for one in answers])
    distances = np.concatenate([one.distances for one in answers])
    order = np.lexsort((ids, distances))[:k]
    total = sum(one.total for one in answers)
    if not len(order):
        return Answer(ids[order], distances[order], 0, total)
    last = distances[order[-1]]
    beyond = sum(one.tied for one in answers if len(one.distances) and one.distances[-1] == last)
    return Answer(ids[order], distances[order], int((distances == last).sum() - (distances[order] == last).sum()) + beyond, total)


def _without(segment: Segment, removed: Ids) -> NDArray[np.bool_] | None:
    """Return which items of a segment are not removed, None for all of them."""
    return ~np.isin(segment.items, removed) if len(removed) else None


def _expanded(parts: Sequence[Part]) -> tuple[Ids, Bytes, Bytes]:
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


def _first_small(sizes: Sequence[int]) -> int:
    """Return from which segment on all are small beside those after them, so that an item is rewritten a few times only.

    Example:
        >>> _first_small([1000000, 10, 10, 10]), _first_small([8, 4, 2, 1])
        (1, 0)
    """
    first, total = len(sizes) - 1, sizes[-1]
    while first and sizes[first - 1] <= 2 * total:
        first -= 1
        total += sizes[first]
    return first


__all__ = ["Answer", "Facts", "Index", "Item", "Writer", "merge", "packed"]
