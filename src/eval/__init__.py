"""Evaluation: from codes to numbers and pictures."""

from .metrics.average_precision import (
    AveragePrecision,
    Measure,
    average_precision_per_query,
    leave_one_out_average_precision,
    mean_average_precision,
)
from .metrics.curves import Curves
from .metrics.ndcg import normalized_discounted_cumulative_gain
from .metrics.retrieval import Retrieval, retrieval
from .ranking.pairs import Pairs

__all__ = [
    "AveragePrecision",
    "Curves",
    "Measure",
    "Pairs",
    "Retrieval",
    "average_precision_per_query",
    "leave_one_out_average_precision",
    "mean_average_precision",
    "normalized_discounted_cumulative_gain",
    "retrieval",
]
