"""What is measured of a ranking and of codes: average precision, curves, nDCG, balance of bits."""

from .average_precision import (
    AveragePrecision,
    average_precision_per_query,
    leave_one_out_average_precision,
    mean_average_precision,
)
from .bits import BitStatistics, bit_statistics
from .curves import Curves, ranking_depths
from .health import CodeHealth, code_health
from .ndcg import GAINS, normalized_discounted_cumulative_gain
from .retrieval import Retrieval, retrieval
from .spec import DENOMINATORS, TIES, APSpec

__all__ = [
    "DENOMINATORS",
    "GAINS",
    "TIES",
    "APSpec",
    "AveragePrecision",
    "BitStatistics",
    "CodeHealth",
    "Curves",
    "Retrieval",
    "average_precision_per_query",
    "bit_statistics",
    "code_health",
    "leave_one_out_average_precision",
    "mean_average_precision",
    "normalized_discounted_cumulative_gain",
    "ranking_depths",
    "retrieval",
]
