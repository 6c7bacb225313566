"""Evaluation: from codes to metrics and figures."""

from .metrics import (
    APSpec,
    AveragePrecision,
    Curves,
    Retrieval,
    average_precision_per_query,
    leave_one_out_average_precision,
    mean_average_precision,
    normalized_discounted_cumulative_gain,
    retrieval,
)
from .ranking import RetrievalTask

__all__ = [
    "APSpec",
    "AveragePrecision",
    "Curves",
    "Retrieval",
    "RetrievalTask",
    "average_precision_per_query",
    "leave_one_out_average_precision",
    "mean_average_precision",
    "normalized_discounted_cumulative_gain",
    "retrieval",
]
