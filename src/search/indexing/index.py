"""An index of codes: build, search and change it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import __version__
from ...errors import RunError, UsageError
from ...runs import Run
from .engine import Answer, nearest
from .kernels import Bytes, Ids
from .searchable import Item, Searchable
from .segments import check_segment
from .store import SEGMENTS, Facts, Store
from .view import View
from .writer import Writer


class Index(Searchable):
    """Codes, paths and labels on disk, and what is nearest to a query among them: exactly, by distance and then by id.

    An open index keeps the state it was opened with until :meth:`refresh`. Searching is safe in several threads.

    Args:
        folder: its directory.

    Raises:
        RunError: if there is no index, it is damaged, or of a newer format.

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
        self.refresh()

    @classmethod
    def open(cls, folder: str | Path) -> Index:
        """Return ``Index(folder)``."""
        return cls(folder)

    @classmethod
    def of(cls, run: Run | str | Path, view: str = "image") -> Index:
        """Open the index of a run.

        Args:
            run: the run, or the path of its directory.
            view: which of its codes, where there are several.

        Raises:
            RunError: if there is no such run, or it has no index.
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
            folder: its directory.
            codes: ±1 or real-valued, (n, bits), or packed, uint8 (n, bytes); n at least 1.
            paths: of the images, n of them.
            labels: 0 or 1, (n, C); None for an index without.
            facts: what it belongs to; needed where codes are packed or there are labels.
            origins: fold and row of each item in the run; None where they stem from none.

        Raises:
            UsageError: if the arguments do not fit together.
        """
        if facts is None and (codes.dtype == np.uint8 or labels is not None):
            raise UsageError("packed codes and labels need facts: the number of bits and the names of the classes")
        facts = facts or Facts(bits=codes.shape[1], version=__version__)
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
            folder: its directory.
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
            RunError: if the one that is there belongs to something else.
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
        return self._view.facts

    def __len__(self) -> int:
        """Return how many items there are."""
        return sum(part.total for part in self._view.parts)

    @property
    def distinct(self) -> int:
        """How many distinct codes are scanned; one that lies in several segments counts in each."""
        return sum(part.segment.groups for part in self._view.parts)

    @property
    def segments(self) -> int:
        """How many segments there are; a search goes through all."""
        return len(self._view.parts)

    def refresh(self) -> Index:
        """See what was committed since, and return this index."""
        with self._store.reading() as connection:
            self._view = View.read(self._store, connection)
        return self

    def items(self, ids: Iterable[int]) -> list[Item]:
        """Return items by id.

        Raises:
            RunError: naming an id that no item has.
        """
        numbers = [int(number) for number in ids]
        with self._store.reading() as connection:
            rows = self._store.items(connection, numbers)
        labels = self._view.labels_of(numbers)
        return [Item(row.id, row.path, labels[row.id], row.fold, row.row) for row in rows]

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
        code = self._view.code(number)
        if code is None:
            raise RunError(f"{self.folder} has no item {number}")
        return code

    def codes(self) -> tuple[Ids, Bytes]:
        """Return ids, (n,), and packed codes, (n, bytes), of all items, by rising id: for a library of your choice."""
        return self._view.codes()

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
            RunError: if a file or an item does not match; the message names it.
        """
        with self._store.reading() as connection:
            ids, _ = View.read(self._store, connection).codes()
            for row in self._store.state(connection).segments:
                check_segment(self.folder / SEGMENTS / row.folder, row.files)
            living = {number for (number,) in connection.execute("SELECT id FROM items WHERE id NOT IN (SELECT id FROM removed)")}
        if not self.facts.shards and (len(ids) != len(living) or set(ids.tolist()) != living):
            raise RunError(f"{self.folder} holds {len(ids):,} codes, but names {len(living):,} items: build the index anew")

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """Give a writer whose changes are committed together, when the block ends without an error.

        Raises:
            RunError: if another process writes for a minute.
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

    def answer(self, queries: Bytes, most: int, radius: int | None, classes: Sequence[str] | None, excluded: Ids) -> list[Answer]:
        return nearest(self._view.having(classes), queries, bits=self.facts.bits, most=most, radius=radius, excluded=excluded)
