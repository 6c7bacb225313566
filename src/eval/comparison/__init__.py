"""Runs side by side: tables and figures."""

from .choice import Choice, choose
from .comparison import Comparison
from .drawing import draw_figures
from .groups import ComparisonGroup, build_groups, describe_difference
from .run_record import RunRecord, rule_and_settings
from .tables import console_text, overview, write_bits_csv, write_csv, write_markdown, write_runs_csv
from .two_runs import check_same_queries, describe_pair

__all__ = [
    "Choice",
    "Comparison",
    "ComparisonGroup",
    "RunRecord",
    "build_groups",
    "check_same_queries",
    "choose",
    "console_text",
    "describe_difference",
    "describe_pair",
    "draw_figures",
    "overview",
    "rule_and_settings",
    "write_bits_csv",
    "write_csv",
    "write_markdown",
    "write_runs_csv",
]
