"""Evaluation: from codes to numbers and pictures."""

from ._pairs import Pairs
from .average_precision import (
    AveragePrecision,
    Measure,
    average_precision_per_query,
    leave_one_out_average_precision,
    mean_average_precision,
)
from .curves import Curves
from .ndcg import normalized_discounted_cumulative_gain
from .one_pass import Retrieval, retrieval

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
