"""What an index holds and belongs to, in words, and whether it is up to date."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from ...errors import RunError
from ...search import Facts, Index, Store


def known_index(folder: Path, no_skip: bool) -> Index | None:
    """Return the index that is there, None where there is none; a damaged one is removed where it may be replaced."""
    try:
        return None if Store(folder).is_empty() else Index(folder)
    except RunError:
        if not no_skip:
            raise
        (folder / "items.sqlite").unlink(missing_ok=True)
        shutil.rmtree(folder / "segments", ignore_errors=True)
        print(f"removed: what was in {folder} could not be used, and images added to it are lost", file=sys.stderr)
        return None


def is_same(facts: Facts, other: Facts) -> bool:
    """Tell whether two indexes belong to the same, whichever version of the package made them."""
    return vars(facts) | {"version": ""} == vars(other) | {"version": ""}


def summary(index: Index) -> str:
    """Return how many items an index has, in words."""
    what = "items" if index.facts.view == "image" else f"{index.facts.view}s"
    return f"{len(index):,} {what}, {index.distinct:,} distinct codes of {index.facts.bits} bits"


def print_facts(index: Index) -> None:
    """Print what an index holds and belongs to."""
    facts, shards = index.facts, [name for name, _ in index.facts.shards]
    for name, value in {
        "index": index.folder,
        "view": index.facts.view,
        "items": f"{len(index):,}" if shards else f"{len(index):,}, {len(index.added()):,} of them added",
        "distinct codes": f"{index.distinct:,}",
        "segments": index.segments,
        "bits": facts.bits,
        "classes": f"{len(facts.classes)}: {', '.join(facts.classes[:10])}{', …' if len(facts.classes) > 10 else ''}",
        "run": facts.run,
        "checkpoint": f"{facts.checkpoint}, SHA-256 {facts.checkpoint_sha256}",
        **({"shards": f"{len(shards):,}: {shards[0]} to {shards[-1]}, ids from {facts.first_id:,}"} if shards
           else {"folds": ", ".join(fold for fold, _ in facts.metadata_sha256)}),
        "made by": f"biodeephashing {facts.version}",
    }.items():  # fmt: skip
        print(f"{name:<15} {value}")
