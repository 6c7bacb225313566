"""What is measured over the shards of a database, written and printed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...errors import RunError, UsageError
from ...eval import APSpec, retrieval
from ...eval.merging import ShardCounts
from ...eval.merging.part_files import Counted, describe_missing
from ...eval.metrics.health import BitHealth, CodeHealth
from ...eval.records.fold_metrics import result_metrics
from ...eval.records.metric_names import ALWAYS, NDCG_CUT, unique
from ...eval.records.summary import summary
from ...runs import write_json


def measures_of(requested: Sequence[APSpec]) -> list[APSpec]:
    """Return what is always measured without features, and what is requested.

    Raises:
        UsageError: for the tie rule "feature".
    """
    if any(measure.ties == "feature" for measure in requested):
        raise UsageError(
            "the tie rule feature is not measured over shards: they hold no features, and over the whole ranking the distances of all "
            "relevant items would have to go to every shard and back"
        )
    return unique([*(measure for measure in ALWAYS if measure.ties != "feature"), *requested])


def conclude(
    counted: Counted,
    counts: ShardCounts,
    measures: Sequence[APSpec],
    *,
    notes: Sequence[str] = (),
    output: Path | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """Return, write and print all numbers.

    Args:
        counted: what was counted.
        counts: how often.
        measures: the average precisions.
        notes: what is to be known beside the numbers.
        output: a JSON file to write them to.
        quiet: print nothing.

    Raises:
        RunError: if no item was counted.
    """
    if not counts.database:
        raise RunError("the shards hold no item with a code, so nothing can be ranked")
    understood = [*_understood(counted, counts), *notes]
    numbers = result_metrics(retrieval(counts, measures, ndcg=[NDCG_CUT]), measures)
    queries, manifest = counted.queries, counted.manifest
    statistics, equal = counts.bits.statistics(), counts.equal
    health = BitHealth.of(statistics) if equal is None else CodeHealth.of(statistics, equal)
    facts = {
        "n_database": counts.database,
        "bit_zero_count": queries["zeros"] + sum(note.zeros for note in counted.notes.values()),
        **({} if equal is None else {"unique_codes": equal.unique_codes}),
        "code_health": {"query": queries["health"], "database": vars(health)},
        "bits": manifest.bits,
        "inputs": {
            "queries": {name: value for name, value in queries.items() if name != "health"},
            "database": {
                "run": manifest.run,
                "checkpoint_sha256": manifest.checkpoint_sha256,
                "source": dict(manifest.source),
                "shards": len(counted.notes),
                "missing": counted.missing,
                "refused": counted.refused,
            },
        },
        "understood": understood,
        "leave_one_out": False,
        "partial": bool(counted.missing),
    }
    result = numbers | facts
    if output:
        write_json(output, result, indent=4)
    if not quiet:
        print(summary({"query": result}, "\n".join(understood)) + (f"\n\nwritten: {output}" if output else ""))
    return result


def _understood(counted: Counted, counts: ShardCounts) -> list[str]:
    """Return what was measured, in words."""
    queries, manifest = counted.queries, counted.manifest
    left_out = f"; {counted.refused:,} images that could not be read are left out" if counted.refused else ""
    return [
        f"queries: {queries['run']}:{queries['fold']}, {queries['count']:,} codes of {manifest.bits} bits",
        f"database: encoded by {manifest.run}; shards: {len(counted.notes):,}, items: {counts.database:,}{left_out}",
        *([f"partial: {describe_missing(counted)}"] if counted.missing else []),
        "no tie rule feature: shards hold no features",
        *(["distinct codes and collisions are not counted: -health does"] if counts.equal is None else []),
    ]
