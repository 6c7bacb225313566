"""A directory of codes in shards: ``manifest.json``, ``part-NNNNN`` files with a note each, and ``done.json``.

The manifest says what is encoded by what, is written first and never changed. A shard is whole when its note is there and the
checksums in it fit: files are written under a temporary name and renamed, the note last. Which process made a shard shows nowhere.
"""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from ..checksums import digest
from ..errors import RunError
from .files import write_json
from .shard_records import SPARSE_STRIDE, Done, Manifest, ShardNote, check_disjoint, differences, read_record

__all__ = ["SPARSE_STRIDE", "Done", "Manifest", "ShardFolder", "ShardNote", "check_disjoint", "differences"]


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

    @property
    def index(self) -> Path:
        """What the shards are searched by."""
        return self.path / "index"

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

    def check(self, manifest: Manifest) -> None:
        """Refuse a directory that is not new or empty and has no equal manifest; nothing is written.

        Raises:
            RunError: if there are other shards, naming what differs, or other files.
        """
        others = [path.name for path in self.path.glob("[!.]*")]  # before the manifest: another process may write it now, and then shards
        if self.manifest_file.exists():
            if lines := differences(self.manifest(), manifest):
                raise RunError(f"{self.path} holds shards of something else:\n  " + "\n  ".join(lines))
        elif others:
            raise RunError(f"{self.path} is no directory of shards: it holds {min(others)}, and no {self.manifest_file.name}")

    def enter(self, manifest: Manifest) -> None:
        """Write the manifest into a directory that has none, after :meth:`check`."""
        self.check(manifest)
        if not self.manifest_file.exists():
            write_json(self.manifest_file, dataclasses.asdict(manifest))

    def begin_anew(self, manifest: Manifest) -> None:
        """Remove all shards and their index, and put a manifest in the place of the other, last: then there is always one."""
        if self.index.is_dir():
            shutil.rmtree(self.index)
        notes, parts = self.path.glob("part-*.json"), self.path.glob("part-*")
        for file in (self.done_file, *notes, *parts, *self.left_over()):
            file.unlink(missing_ok=True)
        write_json(self.manifest_file, dataclasses.asdict(manifest))

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
        return read_record(self.manifest_file, Manifest)

    def note(self, shard: int) -> ShardNote | None:
        """Read the note of a shard; None where there is none yet.

        Raises:
            RunError: if it is damaged.
        """
        return read_record(self.note_file(shard), ShardNote) if self.note_file(shard).is_file() else None

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
            raise RunError(f"{self.path} lacks {len(missing):,} of {manifest.shards:,} shards: {named}{', ...' if missing[5:] else ''} "
                           "(encode.py makes them, and -partial measures the others)")  # fmt: skip
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
        return read_record(self.done_file, Done) if self.done_file.is_file() else None

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
