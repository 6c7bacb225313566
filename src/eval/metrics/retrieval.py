"""Everything at once: average precisions, curves and nDCG from one count of the distances."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..ranking.blocks import MEMORY, CountedTask, collect
from ..ranking.histograms import Reals
from .average_precision import APAccumulator, AveragePrecision
from .curves import Curves, CurveSums
from .ndcg import DiscountedGains
from .spec import APSpec


@dataclass(frozen=True)
class Retrieval:
    """Everything that was measured of a retrieval.

    Args:
        average_precision: of every query under each spec.
        curves: precision and recall by radius and by depth, distances, and how many items are relevant.
        ndcg: nDCG of every query by cut k, each (queries,).
    """

    average_precision: dict[APSpec, AveragePrecision]
    curves: Curves
    ndcg: dict[int | None, Reals]


def retrieval(
    task: CountedTask,
    specs: Sequence[APSpec],
    *,
    ndcg: Sequence[int | None] = (),
    gain: str = "shared",
    memory: int = MEMORY,
    progress: Callable[[int], object] | None = None,
) -> Retrieval:
    """Measure a retrieval in every way, counting the distances of all pairs once.

    Each tie rule that ranks ("index", "feature") goes through the pairs once more, whatever the number of its cuts and denominators.

    Args:
        task: queries and database.
        specs: the average precisions to compute.
        ndcg: the cuts k of the nDCG, None for the whole ranking.
        gain: "shared" or "exponential", see :func:`normalized_discounted_cumulative_gain`.
        memory: working memory, in bytes, see :func:`average_precision_per_query`.
        progress: called after each block of queries with their number.

    Raises:
        UsageError: for a gain or a cut that does not exist, or an exponential gain of more than 1,000 classes.
        BioDeepHashingError: if a spec needs features and the task has none, or one of them is not finite.

    Example:
        >>> import numpy as np
        >>> from biodeephashing.eval import RetrievalTask
        >>> codes, labels = np.array([[1], [2]], dtype=np.uint8), np.eye(2, dtype=np.uint8)
        >>> result = retrieval(RetrievalTask(codes, codes, labels, labels), [APSpec()], ndcg=[None])
        >>> result.average_precision[APSpec()].mean(), result.curves.recall[0].item(), result.ndcg[None].tolist()
        (1.0, 1.0, [1.0, 1.0])
    """
    graded = len(ndcg) > 0
    averages = APAccumulator(task, specs, memory, shared=graded)
    curves, gains = CurveSums(task), DiscountedGains(task, ndcg, gain)
    collect(task, averages.blocks, [averages, curves, *([gains] if graded else [])], shared=graded, progress=progress)
    return Retrieval(averages.results, curves.curves(), gains.values)
