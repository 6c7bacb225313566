"""Runs side by side: tables and figures."""

from .comparison import Comparison
from .drawing import draw_figures
from .groups import ComparisonGroup, RunRecord, build_groups, describe_difference
from .tables import console_text, overview, write_bits_csv, write_csv, write_markdown
from .two_runs import check_same_queries, describe_pair

__all__ = [
    "Comparison",
    "ComparisonGroup",
    "RunRecord",
    "build_groups",
    "check_same_queries",
    "console_text",
    "describe_difference",
    "describe_pair",
    "draw_figures",
    "overview",
    "write_bits_csv",
    "write_csv",
    "write_markdown",
]
