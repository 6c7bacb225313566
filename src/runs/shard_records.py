"""The records of a directory of shards: ``manifest.json``, the note of a shard, ``done.json``, and what must agree between them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

from ..errors import RunError
from .files import read_json

SPARSE_STRIDE = 2**24  # ids of a shard where images are not counted before they are read

Record = TypeVar("Record")


@dataclass(frozen=True)
class Manifest:
    """What a directory of shards encodes by what; shards whose manifests differ do not belong together.

    Args:
        run: the run, ``METHOD/DB/EXP/NAME``.
        checkpoint_sha256: checksum of its checkpoint.
        bits: length of a code.
        preprocessing: what happens to an image before the network.
        batch_size: images of a forward pass; a shard begins a new one.
        precision: of the computation, as ``-precision`` names it.
        rows: images of a shard where a source is cut into shards (``-rows``).
        format: "npy" or "parquet".
        source: what is encoded: its kind, its name, and a checksum that changes when it does.
        classes: class names, in the order of the label columns; empty for a source without labels.
        ids: "rows" where the images are counted from 0 over all shards; "sparse" where shard s begins at s · 2²⁴.
        shards: number of shards.
    """

    run: str
    checkpoint_sha256: str
    bits: int
    preprocessing: Mapping[str, Any]
    batch_size: int
    precision: str
    rows: int
    format: str
    source: Mapping[str, str]
    classes: tuple[str, ...]
    ids: str
    shards: int

    @property
    def code_bytes(self) -> int:
        """Bytes of a packed code."""
        return -(-self.bits // 8)

    @property
    def label_bytes(self) -> int:
        """Bytes of the packed labels of an image; 0 for a source without labels."""
        return -(-len(self.classes) // 8)


@dataclass(frozen=True)
class ShardNote:
    """The facts about one shard, nothing of the clock among them.

    Args:
        rows: images of the source that the shard stands for, refused ones among them.
        first: id of its first image; the others follow without a gap.
        sha256: checksum of each of its files, by name.
        zeros: features that are exactly zero, counted as +1.
        refused: id of each image that could not be decoded, in order, and why; it has no code: zeros in ``.npy``, no row in Parquet.
        device: the kind of device that computed the codes, and the version of PyTorch.
    """

    rows: int
    first: int
    sha256: Mapping[str, str]
    zeros: int
    refused: tuple[tuple[int, str], ...]
    device: str


@dataclass(frozen=True)
class Done:
    """The totals of a directory in which no shard is missing.

    Args:
        shards: number of shards.
        rows: images of all shards, refused ones among them.
        zeros: features that are exactly zero.
        refused: images that could not be decoded.
        notes_sha256: checksum of all notes in their order.
    """

    shards: int
    rows: int
    zeros: int
    refused: int
    notes_sha256: str


def differences(before: Manifest, now: Manifest) -> list[str]:
    """Return what two manifests differ in, in words; nothing for those that belong together.

    Args:
        before: that of a directory.
        now: that of what is to be written there, or read with it.
    """
    old, new = (json.loads(json.dumps(dataclasses.asdict(manifest))) for manifest in (before, now))  # what a file keeps of it
    return [f"{name}: {_shown(old[name])} there, {_shown(new[name])} now" for name in old if old[name] != new[name]]


def check_disjoint(notes: Mapping[str, ShardNote]) -> None:
    """Refuse shards whose ids overlap.

    Args:
        notes: the notes, by the names of the shards.

    Raises:
        RunError: naming two of them.
    """
    ordered = sorted(notes.items(), key=lambda item: (item[1].first, item[1].rows))
    for (name, note), (other, following) in pairwise(ordered):
        if note.first + note.rows > following.first:
            raise RunError(
                f"{name} and {other} overlap: ids {note.first:,} to {note.first + note.rows - 1:,}, and from {following.first:,} on"
            )


def read_record(file: Path, record: type[Record]) -> Record:
    """Read a record, its lists as tuples.

    Raises:
        RunError: if the file is damaged.
    """
    content, fields = read_json(file), dataclasses.fields(record)  # type: ignore[arg-type]
    kinds = {"int": int, "str": str, "tuple": list, "Mapping": dict}
    for field in fields:
        kind = kinds[str(field.type).partition("[")[0]]
        if not isinstance(content.get(field.name), kind):
            raise RunError(f"{file} is damaged: {field.name} is {_shown(content.get(field.name))}")
    return record(**{field.name: _as_tuple(content[field.name]) for field in fields})


def _as_tuple(value: Any) -> Any:
    return tuple(map(_as_tuple, value)) if isinstance(value, list) else value


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {part}" for key, part in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str) and value:
        return f"{len(value)} ({', '.join(map(str, value[:5]))}{', ...' if value[5:] else ''})"
    return "none" if value in ("", [], ()) else str(value)
