"""Two runs side by side, query by query."""

from __future__ import annotations

from ...errors import RunError
from ...runs import Run
from ..records.code_files import current_predictions
from ..records.text_table import text_table
from ..significance.bootstrap import LEVEL, METHOD, RESAMPLES, Interval
from ..significance.paired_queries import PairedQueries
from .groups import describe_p


def check_same_queries(runs: tuple[Run, Run], fold: str) -> None:
    """Make sure that two runs were predicted on the same queries and the same database.

    Raises:
        RunError: naming both, when the checksums of their metadata differ, their items have other views, or they are one and the same.
    """
    first, second = runs
    if first == second:
        raise RunError(f"{first} is given twice: name two runs")
    facts = [current_predictions(run).folds for run in runs]
    for side in (fold, "database"):
        checksums = [str(one.get("metadata_sha256")) for folds in facts if side in folds for one in folds[side].values()]
        if len(set(checksums)) > 1:
            raise RunError(
                f"{first} ({first.database}) and {second} ({second.database}) cannot be compared query by query: the metadata of their "
                f"fold {side} differ (checksums {' and '.join(checksum[:12] for checksum in checksums)}); predict both on one dataset"
            )
    views = [" and ".join(folds["database"]) or "one view" for folds in facts if "database" in folds]
    if len(set(views)) > 1:
        raise RunError(f"{first} ({views[0]}) and {second} ({views[1]}) cannot be compared query by query: their items have other views")


def describe_pair(paired: PairedQueries) -> str:
    """Return a comparison of two runs as text."""
    named = {"A": (paired.first, ""), "B": (paired.second, ""), "A - B": (paired.difference, "+")}
    rows = [[name, f"{mean.value:{sign}.4f}", _describe_interval(mean.interval, sign)] for name, (mean, sign) in named.items()]
    test = paired.test
    signs = f"all {test.draws:,} assignments of signs" if test.exact else f"{test.draws:,} random assignments of signs"
    lines = [
        text_table(["", "mAP", f"{LEVEL:.0%} interval"], rows),
        "",
        f"p {describe_p(test.p)} (two-sided sign-flip permutation test, {signs})",
        f"{paired.queries:,} queries, on {paired.apart:,} of which the runs differ",
        f"intervals: {METHOD} bootstrap over queries, {RESAMPLES:,} resamples",
        "p and intervals tell of other queries, not of another training: for that, train several seeds",
    ]
    return "\n".join(lines)


def _describe_interval(interval: Interval | None, sign: str) -> str:
    return f"[{interval.low:{sign}.4f}, {interval.high:{sign}.4f}]" if interval else "needs 2 queries"
