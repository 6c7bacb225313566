"""A database in shards, read from its directory one shard after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...errors import RunError, UsageError
from ...runs.shards import Manifest, ShardFolder, ShardNote
from ..arrays.array_files import map_npy, read_npy
from .items import PackedItems

Bytes: TypeAlias = NDArray[np.uint8]


@dataclass(frozen=True)
class ShardDatabase:
    """Some shards of a directory; nothing of their items is held, so that it can be sent to where they are read.

    Args:
        folder: the directory.
        manifest: what is encoded by what.
        notes: the facts about each shard, by its number, in the order of the ids.
    """

    folder: ShardFolder
    manifest: Manifest
    notes: Mapping[int, ShardNote]

    @classmethod
    def at(cls, path: Path, *, partial: bool = False, unlabelled: bool = False) -> ShardDatabase:
        """Return the shards of a directory.

        Args:
            path: the directory.
            partial: whether shards may be missing.
            unlabelled: whether labels may be missing.

        Raises:
            RunError: naming the shard, if one is missing, a note is damaged, or ids overlap; and if the shards have no labels, or there
                are none.
        """
        folder = ShardFolder(path)
        manifest = folder.manifest()
        if not manifest.classes and not unlabelled:
            raise RunError(f"the shards of {path} have no labels, and what is relevant to a query cannot be told without")
        notes = folder.notes(manifest, partial=partial)
        if not notes:
            raise RunError(f"{path} holds no shard yet, of {manifest.shards:,}")
        return cls(folder, manifest, dict(sorted(notes.items(), key=lambda item: item[1].first)))

    def part(self, number: int, of: int) -> ShardDatabase:
        """Return one of so many parts: shards that follow each other, because ranking by rows goes through them in order."""
        numbers = range(self.manifest.shards * number // of, self.manifest.shards * (number + 1) // of)
        return replace(self, notes={shard: note for shard, note in self.notes.items() if shard in numbers})

    def shards(self) -> Iterator[PackedItems]:
        """Read one shard after the other.

        Raises:
            RunError: naming the shard, if one is damaged.
        """
        return map(self.read, self.notes)

    def read(self, shard: int) -> PackedItems:
        """Read the items of a shard that have a code.

        Raises:
            RunError: if it is damaged.
        """
        folder, manifest = self.folder, self.manifest
        if fault := folder.fault(shard, manifest):
            raise RunError(f"{folder.note_file(shard).stem} of {folder.path} cannot be used: {fault}; encode it again")
        read = _read_npy if manifest.format == "npy" else _read_parquet
        codes, labels = read(folder, shard, self.notes[shard], bool(manifest.classes))
        return PackedItems(codes, labels, manifest.bits, len(manifest.classes))

    def ids(self, shard: int) -> NDArray[np.int64]:
        """Return the ids of the items of a shard that have a code, (n,)."""
        note = self.notes[shard]
        refused = np.array([number - note.first for number, _ in note.refused], np.int64)
        return np.delete(np.arange(note.first, note.first + note.rows), refused)

    def described(self, shard: int, ids: Sequence[int]) -> tuple[Bytes, list[str] | None]:
        """Look up what is known of a few items of a shard that have a code.

        Args:
            shard: its number.
            ids: of the items.

        Returns:
            Packed labels, (ids, bytes), of no bytes without labels; and the keys of the images, None where the shards hold none.

        Raises:
            DataError: if a file cannot be read.
        """
        folder, note, width = self.folder, self.notes[shard], self.manifest.label_bytes
        if self.manifest.format == "parquet":
            return _described(folder, shard, ids, width)
        labels = map_npy(folder.labels_file(shard)) if width else np.empty((note.rows, 0), np.uint8)
        return labels[np.array(ids, np.int64) - note.first], None


def item_count(notes: Mapping[int, ShardNote]) -> int:
    """Return how many items of some shards have a code."""
    return sum(note.rows - len(note.refused) for note in notes.values())


def _read_npy(folder: ShardFolder, shard: int, note: ShardNote, labelled: bool) -> tuple[Bytes, Bytes]:
    codes = read_npy(folder.codes_file(shard, "npy"))
    labels = read_npy(folder.labels_file(shard)) if labelled else np.empty((len(codes), 0), np.uint8)
    if refused := [image - note.first for image, _ in note.refused]:  # their codes are zeros and say nothing
        codes, labels = np.delete(codes, refused, axis=0), np.delete(labels, refused, axis=0)
    return codes, labels


def _read_parquet(folder: ShardFolder, shard: int, note: ShardNote, labelled: bool) -> tuple[Bytes, Bytes]:
    """Read the columns of codes and labels, of fixed width; images without a code have no row."""
    table = _parquet(folder).read_table(folder.codes_file(shard, "parquet"), columns=["code", *(["labels"] if labelled else [])])
    codes = _rows(table["code"])
    return codes, _rows(table["labels"]) if labelled else np.empty((len(codes), 0), np.uint8)


def _described(folder: ShardFolder, shard: int, ids: Sequence[int], width: int) -> tuple[Bytes, list[str] | None]:
    parquet, file = _parquet(folder), folder.codes_file(shard, "parquet")
    names = [name for name in ("labels", "key") if name in parquet.read_schema(file).names]
    table = parquet.read_table(file, columns=["id", *names], filters=[("id", "in", list(ids))])
    order = np.searchsorted(table["id"].to_numpy(), ids)
    labels = _rows(table["labels"]) if width else np.empty((len(order), 0), np.uint8)
    keys = table["key"].to_pylist() if "key" in names else None
    return labels[order], [keys[position] for position in order] if keys is not None else None


def _parquet(folder: ShardFolder) -> Any:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise UsageError(f"{folder.path} holds Parquet files: they need pip install 'biodeephashing[parquet]'") from error
    return pyarrow.parquet


def _rows(column: Any) -> Bytes:
    """Return a column of byte strings as rows of bytes."""
    width = column.type.byte_width
    parts = [np.frombuffer(chunk.buffers()[1], np.uint8, width * len(chunk), width * chunk.offset) for chunk in column.chunks]
    return np.concatenate([np.empty(0, np.uint8), *parts]).reshape(-1, width)
