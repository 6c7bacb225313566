"""The one loop over blocks of queries: distances are counted once, and every collector is computed from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from .feature_distances import FeatureDistances
from .histograms import Counts, DistanceHistogram, Reals
from .rows import Features

MEMORY = 96 * 2**20
_BYTES_PER_COUNT = 8
_COUNTS_PER_GROUP = 14  # arrays (queries, distances) that groups and closed forms hold at once: 12 at most, and 2 for all smaller ones


class CountedTask(Protocol):
    """What metrics need of queries and a database, wherever the pairs were counted; as a :class:`RetrievalTask` or in shards."""

    @property
    def queries(self) -> int:
        """Number of queries."""

    @property
    def database(self) -> int:
        """Number of database items."""

    @property
    def ranked(self) -> int:
        """Items that each query ranks."""

    @property
    def bins(self) -> int:
        """Number of possible distances."""

    @property
    def levels(self) -> int:
        """One more than the most classes that a query and an item can share, at least 2."""

    @property
    def features(self) -> Features | None:
        """What the tie rule "feature" orders by."""

    def histograms(self, queries: slice) -> Counts:
        """Count irrelevant and relevant items at every distance, (queries, bins, 2)."""

    def shared_histograms(self, queries: slice) -> Counts:
        """Count the items at every distance by the classes they share, (queries, bins, levels)."""

    def precision_sums(
        self, queries: slice, groups: DistanceHistogram, cuts: Counts, order: FeatureDistances | None = None
    ) -> tuple[Reals, Counts]:
        """Return the sum of the precisions at the relevant items within each cut, and how many these are, both (queries, cuts)."""


class Collector(Protocol):
    """Something that is computed from the distance groups of all queries, block after block."""

    def add(self, block: slice, groups: DistanceHistogram) -> None:
        """Add the queries of a block, given their distance groups."""


def blocks_of(task: CountedTask, memory: int, *, bytes_per_pair: int = 0, shared: bool = False) -> list[slice]:
    """Split the queries so that a block needs no more than the memory given; where one query needs more, each is a block of its own.

    Args:
        task: queries and database.
        memory: bytes.
        bytes_per_pair: what a collector holds for each query and item of a block.
        shared: whether groups also hold the number of items by shared classes.
    """
    counts = _COUNTS_PER_GROUP + (task.levels if shared else 0)
    step = max(1, memory // (_BYTES_PER_COUNT * counts * task.bins + bytes_per_pair * task.database))
    return [slice(start, min(start + step, task.queries)) for start in range(0, task.queries, step)]


def collect(
    task: CountedTask,
    blocks: Sequence[slice],
    collectors: Sequence[Collector],
    *,
    shared: bool = False,
    progress: Callable[[int], object] | None = None,
) -> None:
    """Go once through all pairs and hand the distance groups of every block to each collector.

    Args:
        task: queries and database.
        blocks: from :func:`blocks_of`.
        collectors: what is to be made.
        shared: whether they need the number of shared classes, and not only relevance.
        progress: called after each block with its number of queries.
    """
    for block in blocks:
        groups = DistanceHistogram.of(task.shared_histograms(block) if shared else task.histograms(block))
        for collector in collectors:
            collector.add(block, groups)
        if progress:
            progress(block.stop - block.start)
