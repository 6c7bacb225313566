"""The index of a database in shards: a part, or several, each an index of its own whose ids are those of its shards."""

from __future__ import annotations

import re
import shutil
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ... import __version__
from ...checksums import digest
from ...errors import RunError, UsageError
from ...eval.merging.shard_files import ShardDatabase
from ...runs import Run, home, run_of
from ...search import Ask, Facts, Index, IndexParts
from ...settings.strict_parser import command_line
from ...settings.units import Part
from ...surroundings import has_terminal
from ..searching.facts import is_same, known_index, print_facts, summary
from .items import ShardItems

_NAME = re.compile(r"part-(\d+)-of-(\d+)")
_SHOWN = 5  # shards that a message names


def index_shards(arguments: Namespace, actions: Sequence[str]) -> int:
    """Build or examine the index of shards that ``index.py`` names, and return the exit status.

    Raises:
        UsageError: for what cannot be done with it.
        RunError: if the shards, or the index, cannot be used.
    """
    if changing := [f"-{action}" for action in actions if action in ("add", "remove", "compact")]:
        raise UsageError(f"{changing[0]} changes the index of a run; what shards hold is changed where they are encoded")
    if arguments.datafolds or arguments.view:
        raise UsageError("-dfs and -in say what is taken of a run: shards hold codes of images, and the index all of them")
    run, part = run_of(arguments.path), getattr(arguments, "part", Part())
    database = encoded_by(run, arguments.database, partial=arguments.partial)
    folder = getattr(arguments, "output", None) or database.folder.index
    if not actions:
        build_part(run, database, folder, part, no_skip=arguments.no_skip)
        return 0
    if not (paths := part_folders(folder)):
        raise RunError(f"{folder} holds no index of shards yet: the same command without -{actions[0]} builds it")
    for path in paths:
        index = Index(path)
        if actions == ["check"]:
            index.check()
            print(f"checked: {path}, {summary(index)}; every file is as it was written")
        else:
            print_facts(index)
    return 0


def check_unused_of_shards(arguments: Namespace) -> None:
    """Refuse flags that mean something for a database in shards only.

    Raises:
        UsageError: naming one.
    """
    for name in ("part", "partial", "on", "address", "unit_cpus", "retries"):
        if getattr(arguments, name, False):
            raise UsageError(f"-{name} is for a database in shards: give -database FOLDER too, or leave it out")


def encoded_by(run: Run, path: Path, *, partial: bool) -> ShardDatabase:
    """Return the shards of a directory.

    Raises:
        RunError: if another run, or an earlier checkpoint of this one, encoded them; if one is missing, or ids overlap.
    """
    database = ShardDatabase.at(path, partial=partial, unlabelled=True)
    own, manifest = digest(run.best_checkpoint), database.manifest
    if own != manifest.checkpoint_sha256:
        raise RunError(
            f"{run} did not encode the shards of {path} ({manifest.run} did): "
            f"its checkpoint is {own[:16]}, and theirs {manifest.checkpoint_sha256[:16]}"
        )
    return database


def part_folders(folder: Path) -> list[Path]:
    """Return the directories of the parts that are there.

    Raises:
        RunError: if the directory is that of another index.
    """
    if (folder / "items.sqlite").exists():
        raise RunError(f"{folder} is one index, and that of shards is a directory of parts: name another place, or the directory above")
    return sorted(path for path in folder.glob("part-*-of-*") if _NAME.fullmatch(path.name))


def build_part(run: Run, database: ShardDatabase, folder: Path, part: Part, *, no_skip: bool = False) -> None:
    """Build the index of a part of the shards unless it is up to date.

    Args:
        run: what encoded the shards.
        database: all shards.
        folder: where the parts lie.
        part: which of the parts; each is a range of the shards in their order.
        no_skip: build it anew even so, and remove the parts of another division.

    Raises:
        RunError: if a shard is damaged, or there are parts of another division.
    """
    own = database.part(part.number, part.of)
    others = [path for path in part_folders(folder) if int(_NAME.fullmatch(path.name)[2]) != part.of]  # type: ignore[index]
    if others and not no_skip:
        raise RunError(f"{folder} is divided otherwise, it holds {others[0].name}: -no_skip removes that, and -o FOLDER leaves it there")
    for path in others:
        shutil.rmtree(path, ignore_errors=True)  # another part may be removing it
    if not own.notes:
        print(f"part {part} has no shard: there are {len(database.notes):,}")
        return
    target, facts = folder / f"part-{part.number}-of-{part.of}", _facts_of(run, own)
    known = known_index(target, no_skip)
    if known is not None and not no_skip and is_same(known.facts, facts):
        print(f"skipped: {target} belongs to {facts.checkpoint}, {summary(known)} (-no_skip builds it anew)")
        return
    with Index.building(target, facts) as writer:
        for shard in tqdm(own.notes, "indexing", unit="shard", leave=False, disable=not has_terminal()):
            items = own.read(shard)
            labels = np.unpackbits(items.labels, axis=1, count=items.classes) if items.classes else None
            writer.add_shard(items.codes, own.ids(shard), labels)
    print(f"{target}: {summary(Index(target))}, shards: {len(own.notes):,}")


def open_parts(run: Run, path: Path, folder: Path | None = None, *, partial: bool = False, ask: Ask | None = None) -> IndexParts:
    """Open the index of shards, having built it as one part where there is none.

    Args:
        run: what encoded the shards.
        path: the directory of the shards.
        folder: where the parts lie; None for their place beside the shards.
        partial: search the shards that are there, and have an index, where others are missing.
        ask: has the parts asked, see :class:`~biodeephashing.search.IndexParts`.

    Raises:
        RunError: if the parts do not belong to these shards, or to each other.
    """
    database = encoded_by(run, path, partial=partial)
    folder = folder or database.folder.index
    if not part_folders(folder):
        build_part(run, database, folder, Part())
    indexes = [Index(part) for part in part_folders(folder)]
    notes = _checksums(database)
    owners = _owners(indexes, notes, f"{command_line('src/search/index.py')} -p {run.quoted} -database {path}{' -partial' * partial}")
    lacking = [name for name in notes if name not in owners]
    if lacking and not partial:
        raise RunError(f"{folder} lacks {len(lacking):,} of {len(notes):,} shards: {_some(lacking)}: "
                       "build the parts that are missing (index.py -database, -part), or give -partial")  # fmt: skip
    if left_out := database.manifest.shards - len(notes) + len(lacking):
        print(f"warning: {left_out:,} of {database.manifest.shards:,} shards are missing, and are not searched", file=sys.stderr)
    items = ShardItems(database)
    return IndexParts(folder, sorted(indexes, key=lambda index: index.facts.first_id), items.items, items.find, ask)


def _owners(indexes: Sequence[Index], notes: Mapping[str, str], command: str) -> dict[str, Path]:
    """Return which index holds each shard, by the shard's name.

    Raises:
        RunError: naming index and shard, where an index is of other codes than the shards hold now, or two share a shard.
    """
    owners = dict[str, Path]()
    for index in indexes:
        if not index.facts.shards:
            raise RunError(f"{index.folder} is no index of shards: name another place, or remove it")
        for name, checksum in index.facts.shards:
            if notes.get(name) != checksum:
                state = "is missing now" if name not in notes else "was encoded anew"
                part = index.folder.name.removeprefix("part-").replace("-of-", "/")
                raise RunError(f"{index.folder} belongs to other codes: {name} {state}; {command} -part {part} makes it anew")
            if name in owners:
                raise RunError(f"{owners[name]} and {index.folder} overlap: both hold {name}; remove one of them")
            owners[name] = index.folder
    return owners


def _facts_of(run: Run, database: ShardDatabase) -> Facts:
    manifest = database.manifest
    return Facts(
        bits=manifest.bits,
        classes=manifest.classes,
        run=run.directory.relative_to(home()).as_posix(),
        checkpoint=run.best_checkpoint.name,
        checkpoint_sha256=manifest.checkpoint_sha256,
        version=__version__,
        first_id=next(iter(database.notes.values())).first,
        shards=tuple(_checksums(database).items()),
    )


def _checksums(database: ShardDatabase) -> dict[str, str]:
    """Return the checksum of the note of each shard, which has those of its files, by the shard's name."""
    files = [database.folder.note_file(shard) for shard in database.notes]
    return {file.stem: digest(file) for file in files}


def _some(names: Sequence[str]) -> str:
    return f"{', '.join(names[:_SHOWN])}{', ...' if len(names) > _SHOWN else ''}"
