"""The files of runs that evaluation reads and writes, and the metrics that they hold."""

from .code_files import FoldCodes, current_predictions, read_fold
from .fold_metrics import LabeledCodes, fold_metrics, per_query
from .metric_names import (
    ALWAYS,
    DENOMINATOR,
    describe_denominator,
    is_metric,
    key_of,
    options_of,
    parse_metric,
    requested_measures,
    tracked_numbers,
    unique,
    words_of,
)
from .result_file import EvaluationPlan, check_requested, is_current, want
from .run_codes import RunCodes, read_run
from .same_items import check_same, count_contained, same_items
from .staging import staging
from .summary import summary

__all__ = [
    "ALWAYS",
    "DENOMINATOR",
    "EvaluationPlan",
    "FoldCodes",
    "LabeledCodes",
    "RunCodes",
    "check_requested",
    "check_same",
    "count_contained",
    "current_predictions",
    "describe_denominator",
    "fold_metrics",
    "is_current",
    "is_metric",
    "key_of",
    "options_of",
    "parse_metric",
    "per_query",
    "read_fold",
    "read_run",
    "requested_measures",
    "same_items",
    "staging",
    "summary",
    "tracked_numbers",
    "unique",
    "want",
    "words_of",
]
