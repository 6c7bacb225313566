"""A directory of codes in shards: ``manifest.json``, ``part-NNNNN`` files with a note each, and ``done.json``.

The manifest says what is encoded by what, is written first and never changed. A shard is whole when its note is there and the
checksums in it fit: files are written under a temporary name and renamed, the note last. Which process made a shard shows nowhere.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

from ..checksums import digest
from ..errors import RunError
from .files import read_json, write_json

SPARSE_STRIDE = 2**24  # ids of a shard where images are not counted before they are read

_Record = TypeVar("_Record")


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


@dataclass(frozen=True)
class ShardFolder:
    """The paths and records of a directory of shards.

    Args:
        path: the directory.

    Example:
        >>> ShardFolder(Path("codes")).codes_file(3, "npy").as_posix()
        'codes/part-00003.npy'
    """

    path: Path

    @property
    def manifest_file(self) -> Path:
        """What is encoded by what."""
        return self.path / "manifest.json"

    @property
    def done_file(self) -> Path:
        """The totals, once no shard is missing."""
        return self.path / "done.json"

    def codes_file(self, shard: int, format: str) -> Path:
        """Packed codes of a shard: uint8 (rows, ceil(bits / 8)), or a Parquet table with the ids."""
        return self.path / f"part-{shard:05d}.{format}"

    def labels_file(self, shard: int) -> Path:
        """Packed labels beside ``.npy`` codes, uint8 (rows, ceil(classes / 8)); a Parquet table has them as a column."""
        return self.path / f"part-{shard:05d}-labels.npy"

    def note_file(self, shard: int) -> Path:
        """The facts about a shard."""
        return self.path / f"part-{shard:05d}.json"

    def files(self, shard: int, manifest: Manifest) -> list[Path]:
        """Return the files of a shard beside its note."""
        codes = self.codes_file(shard, manifest.format)
        return [codes, self.labels_file(shard)] if manifest.format == "npy" and manifest.classes else [codes]

    def enter(self, manifest: Manifest) -> None:
        """Write the manifest into a new or empty directory; one that has a manifest must have an equal one.

        Raises:
            RunError: if there are other shards, naming what differs, or other files.
        """
        others = [path.name for path in self.path.glob("[!.]*")]  # before the manifest: another process may write it now, and then shards
        if self.manifest_file.exists():
            if lines := differences(self.manifest(), manifest):
                raise RunError(f"{self.path} holds shards of something else:\n  " + "\n  ".join(lines))
        elif others:
            raise RunError(f"{self.path} is no directory of shards: it holds {min(others)}, and no {self.manifest_file.name}")
        else:
            write_json(self.manifest_file, dataclasses.asdict(manifest))

    def clear(self) -> None:
        """Remove all shards, and the manifest last: what is left after an interruption is never taken for other shards."""
        notes, parts = self.path.glob("part-*.json"), self.path.glob("part-*")
        for file in (self.done_file, *notes, *parts, *self.left_over(), self.manifest_file):
            file.unlink(missing_ok=True)

    def left_over(self) -> list[Path]:
        """Return the temporary files of shards: of processes that are at work, or were killed."""
        return list(self.path.glob(".*.part-*"))

    def missing(self, manifest: Manifest) -> list[int]:
        """Return the numbers of the shards that have no note.

        Args:
            manifest: that of this directory.
        """
        return [shard for shard in range(manifest.shards) if not self.note_file(shard).is_file()]

    def manifest(self) -> Manifest:
        """Read the manifest.

        Raises:
            RunError: if it is missing or damaged.
        """
        if not self.manifest_file.is_file():
            raise RunError(f"{self.path} is no directory of shards: {self.manifest_file.name} is missing")
        return _read(self.manifest_file, Manifest)

    def note(self, shard: int) -> ShardNote | None:
        """Read the note of a shard; None where there is none yet.

        Raises:
            RunError: if it is damaged.
        """
        return _read(self.note_file(shard), ShardNote) if self.note_file(shard).is_file() else None

    def write_note(self, shard: int, note: ShardNote) -> None:
        """Write the note of a shard, which makes the shard."""
        write_json(self.note_file(shard), dataclasses.asdict(note))

    def notes(self, manifest: Manifest, *, partial: bool = False) -> dict[int, ShardNote]:
        """Read the notes of all shards, by the numbers of the shards.

        Args:
            manifest: that of this directory.
            partial: whether shards may be missing.

        Raises:
            RunError: naming the shard, if one is missing, a note is damaged, or ids of shards overlap.
        """
        notes = {shard: note for shard in range(manifest.shards) if (note := self.note(shard)) is not None}
        if not partial and (missing := self.missing(manifest)):
            named = ", ".join(self.note_file(shard).stem for shard in missing[:5])
            raise RunError(f"{self.path} lacks {len(missing):,} of {manifest.shards:,} shards: {named}{', ...' if missing[5:] else ''}")
        check_disjoint({self.note_file(shard).stem: note for shard, note in notes.items()})
        return notes

    def fault(self, shard: int, manifest: Manifest) -> str | None:
        """Return why a shard is not whole: None for a whole one, "missing" without a note, else what is damaged.

        Args:
            shard: its number.
            manifest: that of this directory.
        """
        try:
            note = self.note(shard)
        except RunError:
            return f"{self.note_file(shard).name} is damaged"
        if note is None:
            return "missing"
        for file in self.files(shard, manifest):
            if not file.is_file():
                return f"{file.name} is missing"
            if digest(file) != note.sha256.get(file.name):
                return f"{file.name} is damaged: its checksum is not that of {self.note_file(shard).name}"
        return None

    def done(self) -> Done | None:
        """Read the totals; None while shards are missing.

        Raises:
            RunError: if the file is damaged.
        """
        return _read(self.done_file, Done) if self.done_file.is_file() else None

    def write_done(self, manifest: Manifest) -> Done:
        """Write the totals of a directory in which no shard is missing, and return them.

        Args:
            manifest: that of this directory.

        Raises:
            RunError: if a shard is missing, or ids overlap.
        """
        notes = self.notes(manifest)
        state = hashlib.sha256()
        for shard in notes:
            state.update(self.note_file(shard).read_bytes())
        done = Done(
            shards=len(notes),
            rows=sum(note.rows for note in notes.values()),
            zeros=sum(note.zeros for note in notes.values()),
            refused=sum(len(note.refused) for note in notes.values()),
            notes_sha256=state.hexdigest(),
        )
        write_json(self.done_file, dataclasses.asdict(done))
        return done


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


def _read(file: Path, record: type[_Record]) -> _Record:
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
