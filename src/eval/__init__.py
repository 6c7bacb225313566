"""Evaluation: from codes to numbers and pictures."""

from ._pairs import Pairs
from .average_precision import (
    AveragePrecision,
    Measure,
    average_precision_per_query,
    leave_one_out_average_precision,
    mean_average_precision,
)

__all__ = [
    "AveragePrecision",
    "Measure",
    "Pairs",
    "average_precision_per_query",
    "leave_one_out_average_precision",
    "mean_average_precision",
]
