"""How sure a number is: intervals over queries and seeds, and tests of differences."""

from .bootstrap import Interval, mean_intervals
from .over_seeds import BASELINE, FROZEN, Difference, Spread, holm, paired_difference, spread
from .paired_queries import Mean, PairedQueries, pair_queries
from .permutation import SignFlipTest, sign_flip_test

__all__ = [
    "BASELINE",
    "FROZEN",
    "Difference",
    "Interval",
    "Mean",
    "PairedQueries",
    "SignFlipTest",
    "Spread",
    "holm",
    "mean_intervals",
    "pair_queries",
    "paired_difference",
    "sign_flip_test",
    "spread",
]
