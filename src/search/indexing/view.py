"""What an index held at one moment: its facts, and its segments without the items that were removed."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import unknown_name
from .engine import Part
from .kernels import Bytes, Ids
from .segments import open_segment
from .store import SEGMENTS, Facts, Store
from .writer import expanded, without


@dataclass(frozen=True)
class View:
    """What an index held when it was read.

    Args:
        facts: what it belongs to.
        parts: its segments, in the order of their ids.
    """

    facts: Facts
    parts: list[Part]

    @classmethod
    def read(cls, store: Store, connection: sqlite3.Connection) -> View:
        """Read the state that a connection sees; while that is open, no compaction can remove a file before it is mapped."""
        state = store.state(connection)
        removed = np.array(state.removed, dtype=np.int64)
        segments = [open_segment(store.folder / SEGMENTS / row.folder, row.files) for row in state.segments]
        return cls(state.facts, [Part.of(segment, without(segment, removed)) for segment in segments])

    def having(self, names: Sequence[str] | None) -> list[Part]:
        """Return the segments with only those items that have one of some classes; None for all.

        Raises:
            UnknownNameError: for a class that the index does not have.
        """
        if names is None:
            return self.parts
        for name in names:
            if name not in self.facts.classes:
                raise unknown_name("class", name, self.facts.classes)
        vector = np.packbits([name in names for name in self.facts.classes])
        return [part.having(vector) for part in self.parts]

    def labels_of(self, ids: Sequence[int]) -> dict[int, NDArray[np.uint8]]:
        """Return 0 or 1 for each class, (C,), by id; nothing, (0,), for an item that is not here."""
        count, numbers, labels = len(self.facts.classes), np.array(ids, dtype=np.int64), dict.fromkeys(ids, np.empty(0, np.uint8))
        for part in self.parts if count else ():
            positions = part.segment.places(numbers)
            rows = part.segment.labels_at(positions, count)
            labels |= dict(zip(part.segment.items[positions].tolist(), rows, strict=True))
        return labels

    def code(self, number: int) -> Bytes | None:
        """Return the packed code of an item, (bytes,); None for one that is not here."""
        for part in self.parts:
            positions = part.segment.places(np.array([number]))
            if len(positions) and (not len(part.alive) or part.alive[positions[0]]):
                return part.segment.codes_at(positions)[0]
        return None

    def codes(self) -> tuple[Ids, Bytes]:
        """Return ids, (n,), and packed codes, (n, bytes), by rising id."""
        ids, codes, _ = expanded(self.parts)
        return ids, codes.reshape(len(ids), (self.facts.bits + 7) // 8)
