"""Histograms of distances over the shards of a database, and their sum, which every closed form is a function of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from ...errors import BioDeepHashingError
from ..metrics.bits import BitCounts, count_bits
from ..metrics.bundles import EqualCodes
from ..ranking.blocks import blocks_of
from ..ranking.feature_distances import FeatureDistances
from ..ranking.histograms import Counts, DistanceHistogram, Reals
from .items import PackedItems
from .precisions import PrecisionSums

_MEMORY = 32 * 2**20  # of the histograms of a block beside their sum


@dataclass(frozen=True)
class ShardCounts:
    r"""What was counted in some shards of a database; the counts of shards without common items add up to those of all of them.

    .. math:: h(q, d, l) = \text{items at distance } d \text{ from query } q \text{ that share } l \text{ classes with it}

    These are whole numbers: whatever is a function of them has the same bits as on one machine. :func:`~biodeephashing.eval.retrieval`
    takes them in place of a :class:`~biodeephashing.eval.RetrievalTask`.

    Args:
        counts: the items of each query by distance and shared classes, (queries, distances, levels).
        bits: how often bits are +1 over the items.
        index: what a second pass over the items summed for the tie rule "index"; None without one.
        equal: how many of the items have equal codes, which does not add up; None where this is not counted.

    Example:
        >>> codes, labels = np.array([[0], [1], [3]], dtype=np.uint8), np.array([[128], [0], [128]], dtype=np.uint8)
        >>> queries, *shards = (PackedItems(codes[rows], labels[rows], 8, 1) for rows in (slice(1), slice(1), slice(1, 3)))
        >>> parts = [count_shards(queries, [shard]) for shard in shards]
        >>> (parts[0] + parts[1]).counts[0, :3].tolist() == count_shards(queries, shards).counts[0, :3].tolist()
        True
    """

    counts: Counts
    bits: BitCounts
    index: PrecisionSums | None = None
    equal: EqualCodes | None = None

    features = None  # shards hold none

    @classmethod
    def none(cls, queries: PackedItems) -> ShardCounts:
        """Return what is counted before the first shard."""
        bits = BitCounts(0, np.zeros(queries.bits, dtype=np.int64), np.zeros((queries.bits, queries.bits), dtype=np.int64))
        return cls(np.zeros((len(queries.codes), queries.bits + 1, 2), dtype=np.int64), bits)

    def __add__(self, other: ShardCounts) -> ShardCounts:
        """Return the counts of both, which must be of the same queries."""
        larger, smaller = (self.counts, other.counts) if self.levels >= other.levels else (other.counts, self.counts)
        counts = larger.copy()
        counts[:, :, : smaller.shape[2]] += smaller
        return ShardCounts(counts, self.bits + other.bits)

    @property
    def queries(self) -> int:
        """Number of queries."""
        return self.counts.shape[0]

    @property
    def database(self) -> int:
        """Number of items counted."""
        return self.bits.items

    @property
    def ranked(self) -> int:
        """Items that each query ranks."""
        return self.database

    @property
    def bins(self) -> int:
        """Number of possible distances."""
        return self.counts.shape[1]

    @property
    def levels(self) -> int:
        """One more than the most classes that a query and an item can share."""
        return self.counts.shape[2]

    def shared_histograms(self, queries: slice) -> Counts:
        """Return the items at every distance by the classes they share, (queries, bins, levels)."""
        return self.counts[queries]

    def histograms(self, queries: slice) -> Counts:
        """Return irrelevant and relevant items at every distance, (queries, bins, 2)."""
        counts = self.counts[queries]
        return np.stack((counts[:, :, 0], counts[:, :, 1:].sum(axis=2)), axis=2)

    def precision_sums(
        self, queries: slice, groups: DistanceHistogram, cuts: Counts, order: FeatureDistances | None = None
    ) -> tuple[Reals, Counts]:
        """Return what the second pass summed within each cut, see :meth:`RetrievalTask.precision_sums`.

        Raises:
            BioDeepHashingError: if there was none, or not with these cuts.
        """
        if self.index is None:
            raise BioDeepHashingError('the tie rule "index" needs a second pass over the shards')
        return self.index.within(queries, cuts)

    def starts(self, earlier: ShardCounts | None = None) -> Counts:
        """Return where the ranking by rows begins in each group, see :attr:`DistanceHistogram.starts`.

        Args:
            earlier: what was counted in the shards before those that are ranked; None where they are the first.
        """
        starts = DistanceHistogram.of(self.histograms(slice(None))).starts
        if earlier is not None:
            before = earlier.histograms(slice(None))
            starts[:, :-1, 0] += before.sum(axis=2)
            starts[:, :-1, 1] += before[:, :, 1]
        return starts

    def ranked_with(self, index: PrecisionSums) -> ShardCounts:
        """Return the same counts with the sums of a second pass."""
        return replace(self, index=index)

    def with_equal(self, equal: EqualCodes | None) -> ShardCounts:
        """Return the same counts with the numbers of equal codes."""
        return replace(self, equal=equal)


def count_shards(queries: PackedItems, shards: Iterable[PackedItems]) -> ShardCounts:
    """Count all pairs of queries and items of some shards, one shard after the other; only one is held at a time.

    Args:
        queries: the queries.
        shards: the shards; those without items count nothing.

    Raises:
        BioDeepHashingError: if codes and labels do not fit together.
    """
    total = ShardCounts.none(queries)
    counts, bits = total.counts, total.bits
    for shard in shards:
        if len(shard.codes):
            task = shard.task(queries)
            if (more := task.levels - counts.shape[2]) > 0:
                counts = np.pad(counts, ((0, 0), (0, 0), (0, more)))
            for block in blocks_of(task, _MEMORY, shared=True):
                counts[block, :, : task.levels] += task.shared_histograms(block)
            bits += count_bits(shard.codes, shard.bits)
    return ShardCounts(counts, bits)
