"""What parts of an evaluation counted, in files: ``counts-I-of-N.npz`` and, for the tie rule "index", ``index-I-of-N.npz``."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import RunError
from ...runs import replacing
from ...runs.shards import Manifest, ShardNote, check_disjoint, differences
from ..metrics.bits import BitCounts
from .counts import ShardCounts
from .precisions import PrecisionSums

_NAME = re.compile(r"counts-(\d+)-of-(\d+)\.npz")
_SHOWN = 5  # shards that a message names


@dataclass(frozen=True)
class Counted:
    """What was counted: queries against some shards.

    Args:
        queries: the facts about the queries, their checksums among them.
        manifest: what the shards are.
        notes: the facts about each shard, by its number.
    """

    queries: Mapping[str, Any]
    manifest: Manifest
    notes: Mapping[int, ShardNote]

    @property
    def missing(self) -> list[str]:
        """The shards that were not counted, by their names."""
        return [_shard_name(shard) for shard in range(self.manifest.shards) if shard not in self.notes]

    @property
    def refused(self) -> int:
        """Images without a code."""
        return sum(len(note.refused) for note in self.notes.values())


def counts_file(folder: Path, number: int, of: int) -> Path:
    """Return the file of what a part counted."""
    return folder / f"counts-{number}-of-{of}.npz"


def index_file(folder: Path, number: int, of: int) -> Path:
    """Return the file of what a part summed for the tie rule "index"."""
    return folder / f"index-{number}-of-{of}.npz"


def parts_of(folder: Path) -> int:
    """Return into how many parts the evaluation in a directory is divided.

    Raises:
        RunError: if there are no counts, or those of several divisions.
    """
    found = {int(match[2]) for file in folder.glob("counts-*.npz") if (match := _NAME.fullmatch(file.name))}
    if not found:
        raise RunError(f"{folder} holds no counts of parts (counts-I-of-N.npz): eval_codes.py -part I/N -o {folder} writes them")
    if len(found) > 1:
        raise RunError(f"{folder} holds counts of {' and of '.join(map(str, sorted(found)))} parts: remove those that are not meant")
    return found.pop()


def write_counts(file: Path, counted: Counted, counts: ShardCounts) -> None:
    """Write what a part counted, and what it belongs to."""
    facts = {
        "queries": dict(counted.queries),
        "manifest": dataclasses.asdict(counted.manifest),
        "notes": {shard: dataclasses.asdict(note) for shard, note in counted.notes.items()},
    }
    bits = counts.bits
    _write(file, counts=counts.counts, ones=bits.ones, both=bits.both, items=np.array(bits.items), facts=np.array(json.dumps(facts)))


def read_counts(file: Path) -> tuple[Counted, ShardCounts]:
    """Read what a part counted, and how often.

    Raises:
        RunError: if the file is damaged.
    """
    arrays = _read(file, ("counts", "ones", "both", "items", "facts"))
    try:
        facts = json.loads(str(arrays["facts"]))
        manifest = Manifest(**facts["manifest"] | {"classes": tuple(facts["manifest"]["classes"])})
        notes = {int(shard): ShardNote(**note | {"refused": tuple(map(tuple, note["refused"]))}) for shard, note in facts["notes"].items()}
        counted = Counted(facts["queries"], manifest, notes)
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(file, error) from error
    return counted, ShardCounts(arrays["counts"], BitCounts(int(arrays["items"]), arrays["ones"], arrays["both"]))


def write_precisions(file: Path, sums: PrecisionSums, total: ShardCounts) -> None:
    """Write what a part summed, and the checksum of the counts of all parts, which its cuts and ranks follow from."""
    _write(file, cuts=sums.cuts, sums=sums.sums, retrieved=sums.retrieved, total=np.array(checksum(total)))


def read_precisions(file: Path, total: ShardCounts) -> PrecisionSums | None:
    """Read what a part summed; None where it has not yet, or with other counts.

    Raises:
        RunError: if the file is damaged.
    """
    if not file.is_file():
        return None
    arrays = _read(file, ("cuts", "sums", "retrieved", "total"))
    current = str(arrays["total"]) == checksum(total)
    return PrecisionSums(arrays["cuts"], arrays["sums"], arrays["retrieved"]) if current else None


def checksum(counts: ShardCounts) -> str:
    """Return the checksum of counts."""
    return hashlib.sha256(np.ascontiguousarray(counts.counts).data).hexdigest()


def join(files: Iterable[Path], *, partial: bool) -> tuple[Counted, ShardCounts]:
    """Add up what parts counted, which must belong together; one file is held at a time.

    Args:
        files: those of the parts, one at least, in the order of their numbers.
        partial: whether shards may be missing.

    Raises:
        RunError: naming the part or the shard, if parts are of other queries or another database, count items twice, or shards are
            missing.
    """
    first, *others = files
    counted, total = read_counts(first)
    named = {(shard, first.name): note for shard, note in counted.notes.items()}
    for file in others:
        part, counts = read_counts(file)
        _check_together((first.name, counted), (file.name, part))
        named |= {(shard, file.name): note for shard, note in part.notes.items()}
        total += counts
    check_disjoint({f"{_shard_name(shard)} of {name}": note for (shard, name), note in named.items()})
    counted = Counted(counted.queries, counted.manifest, {shard: note for (shard, _), note in named.items()})
    if counted.missing and not partial:
        raise RunError(f"{describe_missing(counted)}: -partial measures those that were")
    return counted, total


def describe_missing(counted: Counted) -> str:
    """Return which shards are missing, in words."""
    missing = counted.missing
    more = f", and {len(missing) - _SHOWN:,} more" if len(missing) > _SHOWN else ""
    return f"{len(missing):,} of {counted.manifest.shards:,} shards were not counted: {', '.join(missing[:_SHOWN])}{more}"


def _check_together(one: tuple[str, Counted], other: tuple[str, Counted]) -> None:
    """Refuse parts, each with the name of its file, of other queries or of another database."""
    (name, counted), (other_name, part) = one, other
    lines = differences(counted.manifest, part.manifest)
    queries, theirs = counted.queries, part.queries
    lines += [f"queries, {key}: {queries[key]} there, {theirs.get(key)} now" for key in queries if queries[key] != theirs.get(key)]
    if lines:
        shards = ", ".join(map(_shard_name, [*part.notes][:_SHOWN]))
        raise RunError(f"{other_name} ({shards}) does not belong to {name}:\n  " + "\n  ".join(lines))


def _shard_name(shard: int) -> str:
    return f"part-{shard:05d}"


def _write(file: Path, **arrays: NDArray[Any]) -> None:
    with replacing(file) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]


def _read(file: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Read arrays, none of Python objects.

    Raises:
        RunError: if one is missing or damaged.
    """
    try:
        with np.load(file, allow_pickle=False) as stored:
            return {name: stored[name] for name in names}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise _damaged(file, error) from error


def _damaged(file: Path, error: Exception) -> RunError:
    return RunError(f"{file} is damaged: remove it, and count this part again ({type(error).__name__}: {error})")
