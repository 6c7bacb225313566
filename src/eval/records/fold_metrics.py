"""All metrics of a fold's result file that depend on codes and labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..metrics.average_precision import AveragePrecision, average_precision_per_query
from ..metrics.curves import Curves
from ..metrics.health import code_health
from ..metrics.retrieval import Retrieval, retrieval
from ..metrics.spec import APSpec
from ..ranking.histograms import Reals
from ..ranking.pair_checks import Labels
from ..ranking.task import RetrievalTask
from ..significance.bootstrap import LEVEL, METHOD, RESAMPLES, SEED, mean_intervals
from .code_files import FoldCodes
from .metric_names import COMPATIBLE, CUTS, DENOMINATOR, NDCG_CUT, compatible_key, further_numbers, key_of


@dataclass(frozen=True)
class LabeledCodes:
    """A fold, as the queries or as the database.

    Args:
        codes: its codes and features.
        labels: its classes, 0/1 (n, classes).
    """

    codes: FoldCodes
    labels: Labels

    @classmethod
    def present(cls, codes: FoldCodes, labels: Labels) -> LabeledCodes:
        """Return the items that have the view of the codes."""
        if not codes.absent:
            return cls(codes, labels)
        features = None if codes.features is None else np.delete(codes.features, codes.absent, axis=0)
        there = replace(codes, codes=np.delete(codes.codes, codes.absent, axis=0), features=features, absent=())
        return cls(there, np.delete(labels, codes.absent, axis=0))

    @cached_property
    def health(self) -> dict[str, Any]:
        """Statistics of how its codes use their bits."""
        return asdict(code_health(self.codes.codes, self.codes.bits, self.labels))


def per_query(queries: LabeledCodes, database: LabeledCodes, measures: Sequence[APSpec]) -> dict[APSpec, AveragePrecision]:
    """Return the average precision of every query under each measure."""
    return average_precision_per_query(_task(queries, database), measures)


def fold_metrics(
    queries: LabeledCodes,
    database: LabeledCodes,
    measures: Sequence[APSpec],
    *,
    leave_one_out: bool = False,
    progress: Callable[[int], object] | None = None,
) -> tuple[dict[str, Any], Curves]:
    """Return every number of a fold, and its curves.

    The numbers are those under the compatible keys (where there are features), those of the measures with their intervals, and counts.

    Args:
        queries: the fold.
        database: the database fold.
        measures: the average precisions to compute, each once; with features, those of the compatible keys among them.
        leave_one_out: whether each query, being the item of its row, is left out of the database.
        progress: called after each block of queries with their number.
    """
    result = retrieval(_task(queries, database, leave_one_out), measures, ndcg=[NDCG_CUT], progress=progress)
    counts = {
        "n_database": len(database.labels),
        "bit_zero_count": queries.codes.zeros + database.codes.zeros,
        "unique_codes": database.health["unique_codes"],
    }
    return result_metrics(result, measures) | counts, result.curves


def result_metrics(result: Retrieval, measures: Sequence[APSpec]) -> dict[str, Any]:
    """Return every number of a retrieval, with the intervals of average precisions.

    Args:
        result: what was measured, nDCG at ``NDCG_CUT`` among it.
        measures: the average precisions, each once.
    """
    averages = {key_of(measure): result.average_precision[measure] for measure in measures}
    means = {key: average.mean() for key, average in averages.items()} | further_numbers(result)
    compatible: dict[str, Any] = {compatible_key(k): means[key] for k in CUTS if (key := key_of(APSpec(COMPATIBLE, k=k))) in means}
    rules = ({"tie_mode": COMPATIBLE} if compatible else {}) | {"denominator": DENOMINATOR, "empty": "zero"}
    relevant = result.curves.relevant
    counts = {"n_queries": len(relevant), "n_queries_without_relevant": int((relevant == 0).sum())}
    intervals = _intervals({key: average.values for key, average in averages.items()})
    return compatible | rules | means | {"bootstrap": intervals} | counts


def _task(queries: LabeledCodes, database: LabeledCodes, leave_one_out: bool = False) -> RetrievalTask:
    own, items = queries.codes, database.codes
    features = None if own.features is None or items.features is None else (own.features, items.features)
    labels = queries.labels, database.labels
    return RetrievalTask(own.codes, items.codes, *labels, features=features, bits=items.bits, leave_one_out=leave_one_out)


def _intervals(values: Mapping[str, Reals]) -> dict[str, Any]:
    """Return the interval over queries of every number, and how the intervals were made."""
    bounds = mean_intervals(np.stack(list(values.values()), axis=1))
    intervals = {key: [one.low, one.high] if one else None for key, one in zip(values, bounds, strict=True)}
    return {"method": METHOD, "level": LEVEL, "resamples": RESAMPLES, "seed": SEED, "intervals": intervals}
