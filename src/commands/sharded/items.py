"""What is known of the items of a database in shards: it is looked up where the shards, or their dataset, have it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...checksums import digest
from ...data import PreparedDataset
from ...errors import DataError, RunError
from ...eval.merging.shard_files import ShardDatabase
from ...search import Item


class ShardItems:
    """The items of a database in shards, by id.

    Args:
        database: the shards.
    """

    def __init__(self, database: ShardDatabase) -> None:
        self.database, self.shards = database, list(database.notes)
        self._firsts = [note.first for note in database.notes.values()]

    def items(self, ids: Sequence[int]) -> list[Item]:
        """Return items by id, in the order that they are asked for.

        The path of an item is that of its image where the source is a fold, its key where the shards hold keys, and otherwise the name
        of its shard and its row there.

        Raises:
            RunError: naming an id that no item has.
            DataError: if a file cannot be read, or the dataset of the fold was changed.
        """
        items, by_shard = dict[int, Item](), dict[int, list[int]]()
        for number in ids:
            by_shard.setdefault(self._shard_of(number), []).append(number)
        for shard, own in by_shard.items():
            labels, keys = self.database.described(shard, own)
            vectors = np.unpackbits(labels, axis=1, count=len(self.database.manifest.classes)) if labels.size else labels
            names = keys or [self._name(shard, number) for number in own]
            items |= {number: _item(*one) for number, *one in zip(own, own, names, vectors, strict=True)}
        return [items[number] for number in ids]

    def find(self, path: str) -> int | None:
        """Return the id of the item of a path, None if there is none; where the source is no fold, nothing is known of paths."""
        number = self._rows.get(path)
        return None if number is None or self._fault(number) else number

    @cached_property
    def _paths(self) -> Sequence[str] | None:
        """The paths of a fold, None for another source.

        Raises:
            DataError: if the dataset is missing, or was changed.
        """
        source = self.database.manifest.source
        if source["kind"] != "fold":
            return None
        name, _, fold = source["name"].rpartition(":")
        metadata = PreparedDataset(name).fold(fold)
        if digest(metadata.file) != source["sha256"]:
            raise DataError(f"{metadata.file} was changed since the shards of {self.database.folder.path} were encoded: encode them again")
        return metadata.paths

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {path: row for row, path in enumerate(self._paths or ())}

    def _name(self, shard: int, number: int) -> str:
        if self._paths is not None:
            return self._paths[number]
        return f"{self.database.folder.note_file(shard).stem}:{number - self.database.notes[shard].first}"

    def _shard_of(self, number: int) -> int:
        if fault := self._fault(number):
            raise RunError(fault)
        return self.shards[bisect_right(self._firsts, number) - 1]

    def _fault(self, number: int) -> str:
        """Return why an id is none of an item; an empty text for one that is."""
        position = bisect_right(self._firsts, number) - 1
        note = self.database.notes[self.shards[position]]
        if position < 0 or number >= note.first + note.rows:
            return f"the shards of {self.database.folder.path} have no item {number}"
        reason = dict(note.refused).get(number)
        return "" if reason is None else f"item {number} of {self.database.folder.path} has no code: {reason}"


def _item(number: int, path: str, labels: NDArray[np.uint8]) -> Item:
    return Item(number, path, labels, None, None)
