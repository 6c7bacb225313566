"""How sure a number is: intervals over queries and seeds, and tests of differences."""

from .bootstrap import Interval, mean_intervals
from .over_seeds import BASELINE, Difference, Spread, holm, paired_difference, spread
from .permutation import SignFlipTest, sign_flip_test

__all__ = [
    "BASELINE",
    "Difference",
    "Interval",
    "SignFlipTest",
    "Spread",
    "holm",
    "mean_intervals",
    "paired_difference",
    "sign_flip_test",
    "spread",
]
