"""``items.sqlite``: facts, paths, segments and removed items of an index; the only file of it that ever changes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import RunError
from .segments import REMEDY, Record

STORE, SEGMENTS = "items.sqlite", "segments"
FORMAT = 1
_APPLICATION = 0x62646873  # what the file is to this program, in its header
_WAIT = 60  # seconds for another process that writes
_SCHEMA = (
    "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE segments (number INTEGER PRIMARY KEY, folder TEXT NOT NULL, items INTEGER NOT NULL, files TEXT NOT NULL)",
    "CREATE TABLE items (id INTEGER PRIMARY KEY, fold TEXT, row INTEGER, path BLOB NOT NULL, hash INTEGER NOT NULL, "
    "size INTEGER, mtime_ns INTEGER)",
    "CREATE TABLE removed (id INTEGER PRIMARY KEY)",
    "CREATE INDEX items_by_hash ON items (hash)",  # of the text itself would double the file
    f"PRAGMA application_id = {_APPLICATION}",
    f"PRAGMA user_version = {FORMAT}",
)


@dataclass(frozen=True)
class Facts:
    """What an index belongs to.

    Args:
        bits: length of a code.
        classes: name of each class, in the order of the labels; none for an index without labels.
        run: the run's directory below the project root; empty for other codes.
        checkpoint: name of the checkpoint the codes were made with.
        checkpoint_sha256: its checksum.
        metadata_sha256: checksum of the metadata file of each fold.
        texts_sha256: checksum of the file of the texts of each fold, where these are their codes.
        view: which of the codes of an item these are, where there are several.
        version: of the package that made it.
        first_id: id of the first item; of several indexes that share out one collection, each has its own range.
        shards: of codes in shards, the name of each shard and the checksum of its note; ids are theirs then, and paths are not here.
    """

    bits: int
    classes: tuple[str, ...] = ()
    run: str = ""
    checkpoint: str = ""
    checkpoint_sha256: str = ""
    metadata_sha256: tuple[tuple[str, str], ...] = ()
    texts_sha256: tuple[tuple[str, str], ...] = ()
    view: str = "image"
    version: str = ""
    first_id: int = 0
    shards: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class SegmentRow:
    """A segment as the store knows it."""

    number: int
    folder: str
    items: int
    files: Record


@dataclass(frozen=True)
class State:
    """What the store says at one moment.

    Args:
        facts: what the index belongs to.
        segments: in the order of their ids.
        removed: rising ids.
    """

    facts: Facts
    segments: tuple[SegmentRow, ...]
    removed: tuple[int, ...]


class ItemRow(NamedTuple):
    """An item as the store knows it.

    Args:
        id: its number, given once.
        path: of the image, below the project root where it is.
        fold, row: where it is in the run; None for an added one.
        size, mtime_ns: of the file when it was added; None for an item of the run.
    """

    id: int
    path: str
    fold: str | None = None
    row: int | None = None
    size: int | None = None
    mtime_ns: int | None = None


def hash_of(path: bytes) -> int:
    """Return 64 bits that stand for a path."""
    return int.from_bytes(hashlib.blake2b(path, digest_size=8).digest(), "little", signed=True)


class Store:
    """The file of one index.

    Args:
        folder: of the index.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / STORE

    def is_empty(self) -> bool:
        """Tell whether nothing is there but what a first build left that was killed, or that a full disk ended.

        Raises:
            RunError: when it is damaged.
        """
        if not self.file.is_file():
            return not (self.folder.is_dir() and any(self.folder.iterdir()))
        with self._connected(self._mode()) as connection:
            return self._is_blank(connection)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give a connection that sees one state of the store, however long it is open.

        Raises:
            RunError: if there is no index in the directory, it is damaged, or of a newer format.
        """
        if not self.file.is_file():
            what = f"{STORE} is missing there" if self.folder.is_dir() else "there is no such directory"
            raise RunError(f"{self.folder} is no index ({what})")
        with self._connected(self._mode()) as connection:
            connection.execute("BEGIN")
            self._check_format(connection)
            yield connection

    @contextmanager
    def writing(self, *, create: Facts | None = None, replace: bool = False) -> Iterator[sqlite3.Connection]:
        """Give a connection in a transaction that is one writer's alone; its end is the commit, and an error undoes all of it.

        Args:
            create: facts of an index to make where there is none.
            replace: whether to empty the index that is there first.

        Raises:
            RunError: if another process writes for a minute, or the index cannot be used.
        """
        if create is None and not self.file.is_file():
            raise RunError(f"{self.folder} is no index ({STORE} is missing there)")
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._connected("rwc") as connection:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("BEGIN IMMEDIATE")
            if create is not None and (replace or self._is_blank(connection)):
                self._start_anew(connection, create)
            self._check_format(connection)
            if not replace:  # what is to be replaced stays until that is committed
                self.sweep(connection)
            yield connection
            connection.execute("COMMIT")

    def state(self, connection: sqlite3.Connection) -> State:
        """Read facts, segments and removed items."""
        try:
            values = {name: json.loads(value) for name, value in connection.execute("SELECT name, value FROM facts")}
            known = {field.name for field in fields(Facts)}
            details = {name: value for name, value in values.items() if name in known}
            checksums = {"metadata_sha256": values["metadata_sha256"]} | {name: values.get(name, []) for name in ("texts_sha256", "shards")}
            pairs = {name: tuple((part, checksum) for part, checksum in value) for name, value in checksums.items()}
            facts = Facts(**details | {"classes": tuple(values["classes"])} | pairs)
            rows = connection.execute("SELECT number, folder, items, files FROM segments ORDER BY number")
            segments = tuple(SegmentRow(number, folder, items, json.loads(files)) for number, folder, items, files in rows)
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"{self.file} is damaged ({error}): {REMEDY}") from error
        removed = tuple(id for (id,) in connection.execute("SELECT id FROM removed ORDER BY id"))
        return State(facts, segments, removed)

    def next_id(self, connection: sqlite3.Connection) -> int:
        """Return the id of the next item; that of a removed one is never used again."""
        return int(json.loads(connection.execute("SELECT value FROM facts WHERE name = 'next_id'").fetchone()[0]))

    def set_next_id(self, connection: sqlite3.Connection, number: int) -> None:
        """Note which id comes next."""
        connection.execute("UPDATE facts SET value = ? WHERE name = 'next_id'", (json.dumps(number),))

    def insert(self, connection: sqlite3.Connection, rows: Iterable[ItemRow]) -> None:
        """Add items."""
        encoded = ((row, os.fsencode(row.path)) for row in rows)
        values = ((row.id, row.fold, row.row, path, hash_of(path), row.size, row.mtime_ns) for row, path in encoded)
        connection.executemany("INSERT INTO items VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    def insert_segment(self, connection: sqlite3.Connection, row: SegmentRow) -> None:
        """Add a segment."""
        connection.execute(
            "INSERT INTO segments VALUES (?, ?, ?, ?)", (row.number, row.folder, row.items, json.dumps(row.files))
        )  # fmt: skip

    def find(self, connection: sqlite3.Connection, path: str) -> ItemRow | None:
        """Return the living item of a path, None if there is none."""
        encoded = os.fsencode(path)
        words = "SELECT id, path, fold, row, size, mtime_ns FROM items WHERE hash = ? AND path = ? AND id NOT IN (SELECT id FROM removed)"
        row = connection.execute(words, (hash_of(encoded), encoded)).fetchone()
        return None if row is None else _item(row)

    def added(self, connection: sqlite3.Connection) -> list[str]:
        """Return the paths of the living items that are of no fold of a run."""
        words = "SELECT path FROM items WHERE fold IS NULL AND id NOT IN (SELECT id FROM removed) ORDER BY id"
        return [os.fsdecode(path) for (path,) in connection.execute(words)]

    def items(self, connection: sqlite3.Connection, ids: Sequence[int]) -> list[ItemRow]:
        """Return items by id, removed ones too until they are compacted away.

        Raises:
            RunError: naming an id that no item has.
        """
        items = []
        for number in ids:
            row = connection.execute("SELECT id, path, fold, row, size, mtime_ns FROM items WHERE id = ?", (number,)).fetchone()
            if row is None:
                raise RunError(f"{self.folder} has no item {number} (any more)")
            items.append(_item(row))
        return items

    def sweep(self, connection: sqlite3.Connection) -> None:
        """Remove the segments on disk that the store does not know: leftovers of a writer that was killed, or of a compaction."""
        known = {folder for (folder,) in connection.execute("SELECT folder FROM segments")}
        folder = self.folder / SEGMENTS
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.name not in known:
                shutil.rmtree(path, ignore_errors=True)  # what cannot be removed now is removed the next time

    def _mode(self) -> str:
        return "rw" if os.access(self.file, os.W_OK) and os.access(self.folder, os.W_OK) else "ro"

    @contextmanager
    def _connected(self, mode: str) -> Iterator[sqlite3.Connection]:
        try:
            connection = sqlite3.connect(f"{self.file.absolute().as_uri()}?mode={mode}", uri=True, timeout=_WAIT, isolation_level=None)
            try:
                yield connection
            finally:
                connection.close()  # undoes a transaction that is not committed
        except sqlite3.Error as error:
            raise self._explained(error) from error

    def _explained(self, error: sqlite3.Error) -> Exception:
        text = str(error)
        if "locked" in text:
            return RunError(f"another process is writing to {self.folder}: wait until it is done")
        if "full" in text:
            return OSError(28, os.strerror(28), str(self.file))
        if "readonly" in text or "unable to open" in text:
            return OSError(13, os.strerror(13), str(self.file))
        return RunError(f"{self.file} is damaged ({text}): {REMEDY}")

    def _is_blank(self, connection: sqlite3.Connection) -> bool:
        """Tell a file in which nothing was committed yet."""
        return connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0

    def _check_format(self, connection: sqlite3.Connection) -> None:
        if self._is_blank(connection):
            raise RunError(f"{self.folder} is no index (nothing was written to {STORE})")
        (application,), (version,) = (connection.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version"))
        if application != _APPLICATION:
            raise RunError(f"{self.file} is no index but a database of another program")
        if version != FORMAT:
            raise RunError(f"{self.file} is of format {version}, and this version of the package knows {FORMAT}: use a newer one")

    def _start_anew(self, connection: sqlite3.Connection, facts: Facts) -> None:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            connection.execute(f'DROP TABLE "{name}"')
        for statement in _SCHEMA:
            connection.execute(statement)
        values: dict[str, Any] = asdict(facts) | {"next_id": facts.first_id}
        connection.executemany("INSERT INTO facts VALUES (?, ?)", ((name, json.dumps(value)) for name, value in values.items()))


def _item(row: tuple[Any, ...]) -> ItemRow:
    number, path, *others = row
    return ItemRow(number, os.fsdecode(path), *others)
