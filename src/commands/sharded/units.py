"""Parts of a database in shards as units of work: counted, then ranked by rows, in this process or by an executor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol, TypeVar

from tqdm import tqdm

from ...eval.merging import PackedItems, PrecisionSums, ShardCounts, count_shards, sum_precisions
from ...eval.merging.shard_files import ShardDatabase
from ...eval.ranking.histograms import Counts
from ...executors import Executor
from ...surroundings import has_terminal


@dataclass(frozen=True)
class ShardUnit:
    """A part of the shards to count; it can be pickled.

    Args:
        number: which part, from 0, in the order of the shards.
        queries: the queries.
        database: the shards.
        quiet: show no progress.
    """

    number: int
    queries: PackedItems
    database: ShardDatabase
    quiet: bool


@dataclass(frozen=True)
class RankingUnit(ShardUnit):
    """A part of the shards to rank by rows; it can be pickled.

    Args:
        number, queries, database, quiet: as for counting.
        starts: where ranking begins in each distance group, see :meth:`ShardCounts.starts`.
        cuts: how many items of each query count, (queries, cuts).
    """

    starts: Counts
    cuts: Counts


class Numbered(Protocol):
    """A unit of work that has a place among the others.

    Attributes:
        number: counted from 0.
    """

    @property
    def number(self) -> int: ...


Unit = TypeVar("Unit", bound=Numbered)
Result = TypeVar("Result")


def count_unit(unit: ShardUnit) -> ShardCounts:
    """Count all pairs of queries and items of a part, and return one sum."""
    return count_shards(unit.queries, watched(unit.database, "counting", unit.quiet))


def rank_unit(unit: RankingUnit) -> PrecisionSums:
    """Rank the items of a part, and return one sum."""
    return sum_precisions(unit.queries, watched(unit.database, "ranking", unit.quiet), unit.starts, unit.cuts)


def in_order(executor: Executor | None, work: Callable[[Unit], Result], units: Sequence[Unit], quiet: bool) -> list[Result]:
    """Do the work of all units, and return the results in the order of the units, so that sums of real numbers are always the same.

    Args:
        executor: who does it; None for this process, one unit after the other.
        work: called with each unit.
        units: the units.
        quiet: show no progress.

    Raises:
        BioDeepHashingError: if a unit failed.
    """
    if executor is None:
        return [work(unit) for unit in units]
    results = {}
    hidden = quiet or not has_terminal()
    with closing(executor.run(work, units)) as outcomes, tqdm(total=len(units), unit="part", leave=False, disable=hidden) as bar:
        for outcome in outcomes:
            if outcome.error:
                raise outcome.error
            results[outcome.unit.number] = outcome.result
            bar.update()
    return [results[unit.number] for unit in units]  # type: ignore[misc]


def watched(database: ShardDatabase, title: str, quiet: bool) -> Iterator[PackedItems]:
    """Read one shard after the other, and show how many were read.

    Args:
        database: the shards.
        title: what is done with them.
        quiet: show no progress.
    """
    hidden = quiet or not has_terminal()
    yield from tqdm(database.shards(), title, total=len(database.notes), unit="shard", leave=False, disable=hidden)
