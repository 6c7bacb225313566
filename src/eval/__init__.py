"""Evaluation: from codes to metrics and figures.

- ``ranking``: every query against every database item, counted and ranked; ``RetrievalTask`` is where all begins.
- ``metrics``: average precision, curves, nDCG, health of codes; all functions of a task.
- ``merging``: a database in shards, whose counts add up.
- ``significance``: intervals and tests, over queries and over seeds.
- ``arrays``: arrays in files of any kind.
- ``records``: what runs leave behind, and the result files that are made of it.
- ``external``: codes and labels of other code bases.
- ``figures``: one run; ``comparison``: several.
"""

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
