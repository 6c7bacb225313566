"""Distinct codes, equal pairs and collisions of a database in shards, counted from the shards themselves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ...errors import RunError
from ...eval.merging import count_equal_codes
from ...eval.merging.part_files import Counted
from ...eval.merging.shard_files import ShardDatabase, item_count
from ...eval.metrics.bundles import EqualCodes
from ...runs.shards import differences
from .units import watched

_LEAST = 2**18  # items of a bucket; small shards would make many buckets, each with a piece of every shard


def equal_codes(database: ShardDatabase, output: Path | None, *, quiet: bool) -> EqualCodes:
    """Count distinct codes and pairs of equal ones; a part of the items is held at a time, as many as a shard has.

    Args:
        database: the shards.
        output: the file of the result: what is dealt anew is beside it for that time, without a name; None for the system's directory
            of temporary files.
        quiet: show no progress.

    Raises:
        RunError: naming the shard, if one is damaged.
        OSError: if there is no room for what is dealt.
    """
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
    largest = max((note.rows for note in database.notes.values()), default=0)
    buckets = -(-item_count(database.notes) // max(largest, _LEAST))
    return count_equal_codes(watched(database, "distinct codes", quiet), max(buckets, 1), output.parent if output else None)


def counted_shards(counted: Counted, path: Path) -> ShardDatabase:
    """Return the shards of a directory that parts counted.

    Args:
        counted: what the parts counted.
        path: the directory.

    Raises:
        RunError: if it holds shards of something else, or one is missing now or was encoded anew.
    """
    database = ShardDatabase.at(path, partial=True)
    if lines := differences(counted.manifest, database.manifest):
        raise RunError(f"{path} does not hold the shards that were counted:\n  " + "\n  ".join(lines))
    for shard, note in counted.notes.items():
        if (now := database.notes.get(shard)) != note:
            state = "was encoded anew" if now else "is missing now"
            raise RunError(f"{database.folder.note_file(shard).stem} of {path} {state}, but a part has counted it as it was")
    return replace(database, notes={shard: note for shard, note in database.notes.items() if shard in counted.notes})
