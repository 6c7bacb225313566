"""Everything at once: average precisions, curves and nDCG from one count of the distances."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..ranking.blocks import MEMORY, collect
from ..ranking.groups import Reals
from ..ranking.pairs import Pairs
from .average_precision import AveragePrecision, Averages, Measure
from .curves import Curves, CurveSums
from .ndcg import DiscountedGains


@dataclass(frozen=True)
class Retrieval:
    """Everything that was measured of a retrieval.

    Args:
        average_precision: of every query under each measure asked for.
        curves: precision and recall by radius and by depth, distances, and how many items are relevant.
        ndcg: nDCG of every query by cut k, each (queries,).
    """

    average_precision: dict[Measure, AveragePrecision]
    curves: Curves
    ndcg: dict[int | None, Reals]


def retrieval(
    pairs: Pairs,
    measures: Sequence[Measure],
    *,
    ndcg: Sequence[int | None] = (),
    gain: str = "shared",
    query_features: NDArray[np.generic] | None = None,
    database_features: NDArray[np.generic] | None = None,
    memory: int = MEMORY,
    progress: Callable[[int], object] | None = None,
) -> Retrieval:
    """Measure a retrieval in every way, counting the distances of all pairs once.

    Each tie rule that ranks ("index", "feature") goes through the pairs once more, whatever the number of its cuts and divisors.

    Args:
        pairs: queries and database.
        measures: the average precisions wanted.
        ndcg: the cuts k of the nDCG wanted, None for the whole ranking.
        gain: "shared" or "exponential", see :func:`normalized_discounted_cumulative_gain`.
        query_features: see :func:`mean_average_precision`.
        database_features: see :func:`mean_average_precision`.
        memory: working memory, in bytes, see :func:`average_precision_per_query`.
        progress: called after each block of queries with their number.

    Raises:
        UsageError: for a gain or a cut that does not exist, or an exponential gain of more than 1,000 classes.
        BioDeepHashingError: when a measure needs features and they are missing or do not fit.

    Example:
        >>> codes, labels = np.array([[1], [2]], dtype=np.uint8), np.eye(2, dtype=np.uint8)
        >>> found = retrieval(Pairs(codes, codes, labels, labels), [Measure()], ndcg=[None])
        >>> found.average_precision[Measure()].mean(), found.curves.recall[0].item(), found.ndcg[None].tolist()
        (1.0, 1.0, [1.0, 1.0])
    """
    graded = len(ndcg) > 0
    averages = Averages(pairs, measures, query_features, database_features, memory, shared=graded)
    curves, gains = CurveSums(pairs), DiscountedGains(pairs, ndcg, gain)
    collect(pairs, averages.blocks, [averages, curves, *([gains] if graded else [])], shared=graded, progress=progress)
    return Retrieval(averages.results, curves.curves(), gains.values)
