"""Two runs on the same queries: how much they differ, and whether by more than chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ranking.histograms import Reals
from .bootstrap import Interval, mean_intervals
from .permutation import SignFlipTest, sign_flip_test


@dataclass(frozen=True)
class Mean:
    """A mean over queries.

    Args:
        value: the mean.
        interval: its bootstrap interval; None for a single query.
    """

    value: float
    interval: Interval | None


@dataclass(frozen=True)
class PairedQueries:
    """Two runs on the same queries.

    Args:
        first: mAP of the first run.
        second: mAP of the second run.
        difference: mean over queries of first - second.
        test: whether the difference is more than chance.
        queries: number of queries.
        apart: number of queries on which the two runs differ.
    """

    first: Mean
    second: Mean
    difference: Mean
    test: SignFlipTest
    queries: int
    apart: int


def pair_queries(first: Reals, second: Reals) -> PairedQueries:
    """Compare the average precisions of two runs, query by query.

    Args:
        first: average precision of every query under the first run, (queries,).
        second: the same under the second run, in the same order.

    Example:
        >>> paired = pair_queries(np.array([0.75, 1.0, 0.5]), np.array([0.5, 1.0, 0.25]))
        >>> round(paired.difference.value, 4), paired.test.p, paired.apart  # ++, +-, -+, --: two of four are as far from 0
        (0.1667, 0.5, 2)
    """
    columns = np.stack((first, second, first - second), axis=1)
    one, other, difference = (Mean(*both) for both in zip(columns.mean(axis=0).tolist(), mean_intervals(columns), strict=True))
    differences = columns[:, 2]
    return PairedQueries(one, other, difference, sign_flip_test(differences), len(differences), int(np.count_nonzero(differences)))
