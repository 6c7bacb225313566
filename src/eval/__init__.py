"""Evaluation: from codes to metrics and figures."""

from .metrics import (
    AveragePrecision,
    Curves,
    Measure,
    Retrieval,
    average_precision_per_query,
    leave_one_out_average_precision,
    mean_average_precision,
    normalized_discounted_cumulative_gain,
    retrieval,
)
from .ranking import Pairs

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
