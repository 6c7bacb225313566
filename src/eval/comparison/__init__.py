"""Runs side by side: tables and figures."""

from .drawing import draw_pictures
from .groups import Block, Observation, build_blocks, describe_difference
from .paired_queries import PairedQueries, check_same_queries, describe_pair, pair_queries
from .tables import console_text, write_bits_csv, write_csv, write_markdown

__all__ = [
    "Block",
    "Observation",
    "PairedQueries",
    "build_blocks",
    "check_same_queries",
    "console_text",
    "describe_difference",
    "describe_pair",
    "draw_pictures",
    "pair_queries",
    "write_bits_csv",
    "write_csv",
    "write_markdown",
]
