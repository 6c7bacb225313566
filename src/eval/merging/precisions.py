"""The tie rule "index" over the shards of a database: sums of precisions, once all items are counted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import BioDeepHashingError
from ..metrics.spec import APSpec
from ..ranking.blocks import MEMORY, CountedTask, blocks_of
from ..ranking.histograms import Counts, DistanceHistogram, Reals
from .items import PackedItems


@dataclass(frozen=True)
class PrecisionSums:
    """Sums of the precisions at relevant items, of some shards within cuts of the whole ranking; those of all shards add up.

    Args:
        cuts: how many items of each query count, (queries, cuts).
        sums: of the precisions at the relevant items within each cut, (queries, cuts).
        retrieved: relevant items within each cut, (queries, cuts).
    """

    cuts: Counts
    sums: Reals
    retrieved: Counts

    def __add__(self, other: PrecisionSums) -> PrecisionSums:
        """Return the sums of both, which must be within the same cuts."""
        return PrecisionSums(self.cuts, self.sums + other.sums, self.retrieved + other.retrieved)

    def within(self, queries: slice, cuts: Counts) -> tuple[Reals, Counts]:
        """Return sums and relevant items of some queries within cuts, both (queries, cuts).

        Raises:
            BioDeepHashingError: if one of the cuts was not summed.
        """
        columns = [self._column(queries, cut) for cut in cuts.T]
        return self.sums[queries][:, columns], self.retrieved[queries][:, columns]

    def _column(self, queries: slice, cut: Counts) -> int:
        """Return the column of a cut, (queries,): cuts that let the same items count have the same sums."""
        for column, known in enumerate(self.cuts[queries].T):
            if np.array_equal(known, cut):
                return column
        raise BioDeepHashingError(
            f'the tie rule "index" was not ranked with the cut at {cut.min():,} to {cut.max():,} items: the second pass over the shards '
            "must be asked for the same cuts (-k, -radius)"
        )


def cuts_of(counts: CountedTask, specs: Sequence[APSpec]) -> Counts:
    """Return how many items of each query count under some specs, (queries, cuts); each k and each radius once."""
    distinct = list(dict.fromkeys((spec.k, spec.radius) for spec in specs))
    cuts = np.empty((counts.queries, len(distinct)), dtype=np.int64)
    for block in blocks_of(counts, MEMORY):
        groups = DistanceHistogram.of(counts.histograms(block))
        cuts[block] = np.stack([groups.cut(*cut) for cut in distinct], axis=1)
    return cuts


def sum_precisions(queries: PackedItems, shards: Iterable[PackedItems], starts: Counts, cuts: Counts) -> PrecisionSums:
    r"""Rank the items of consecutive shards by distance, then by row, and sum the precisions at the relevant ones.

    Let N(d) and R(d) be items and relevant items of the whole database before group d, and n(d) and r(d) those of the group in earlier
    shards. The i-th item of the group in a shard has rank :math:`N(d) + n(d) + i`, and with it :math:`R(d) + r(d) + j` relevant ones
    are found where j of these i are relevant. The rows of a shard go on where those before it ended.

    Args:
        queries: the queries.
        shards: shards that follow each other without a gap.
        starts: :math:`N + n` and :math:`R + r` before the first of these shards, see :meth:`ShardCounts.starts`.
        cuts: how many items of each query count, see :func:`cuts_of`.
    """
    places, sums, retrieved = starts.copy(), np.zeros(cuts.shape), np.zeros(cuts.shape, dtype=np.int64)
    for shard in shards:
        if len(shard.codes):
            shard.task(queries).add_precisions(slice(0, len(cuts)), places, cuts, sums, retrieved)
    return PrecisionSums(cuts, sums, retrieved)
