"""Spread over seeds, and differences between rules trained with the same seeds."""

from __future__ import annotations

import math
import statistics
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

BASELINE = "bp"  # the rule that all others are compared with
FROZEN = "frozen"  # stands in the place of a rule where the hash layer learns alone, so that no rule has anything to do: the floor
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation of a few values.

    Args:
        mean: their mean.
        sd: their standard deviation (denominator n - 1); None for a single value.
        n: how many.
    """

    mean: float
    sd: float | None
    n: int


@dataclass(frozen=True)
class Difference:
    """Mean difference to a baseline over shared seeds, with its confidence interval.

    Args:
        mean: the mean of the differences.
        low: lower end of the interval; None for fewer than two seeds.
        high: upper end of the interval; None for fewer than two seeds.
        n: shared seeds.
        p: two-sided p of the paired t test, the probability of a mean at least as far from 0 if the rules were equally good; None
            for fewer than two seeds.
    """

    mean: float
    low: float | None
    high: float | None
    n: int
    p: float | None


def spread(values: Sequence[float]) -> Spread:
    """Return mean and standard deviation of at least one value.

    Example:
        >>> spread([0.9, 1.0, 1.1]).mean
        1.0
    """
    return Spread(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None, len(values))


def paired_difference(values: Mapping[int, float], baseline: Mapping[int, float]) -> Difference | None:
    r"""Return the difference to a baseline, paired by seed, with interval and p of Student's t.

    .. math:: \bar d \pm t_{n-1,\,0.975} \, \frac{s_d}{\sqrt n}, \qquad p = 2 P\Bigl(T_{n-1} \ge \frac{|\bar d| \sqrt n}{s_d}\Bigr)

    Reference: The probable error of a mean, Student, Biometrika 1908.

    Args:
        values: value of each seed.
        baseline: value of each seed of the baseline.

    Returns:
        The difference over the seeds that both have, or None when they share none.

    Example:
        >>> paired_difference({0: 0.75, 1: 1.0}, {0: 0.5, 1: 0.5}).mean
        0.375
    """
    seeds = sorted(values.keys() & baseline.keys())
    if not seeds:
        return None
    mean = statistics.fmean(values[seed] - baseline[seed] for seed in seeds)
    if len(seeds) == 1:
        return Difference(mean, None, None, 1, None)
    from scipy.stats import ttest_rel  # a second, which only comparisons need

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # differences without spread: t is infinite, or 0 / 0 where their mean is 0
        test = ttest_rel([values[seed] for seed in seeds], [baseline[seed] for seed in seeds])
    low, high = test.confidence_interval(CONFIDENCE)
    return Difference(mean, float(low), float(high), len(seeds), 1.0 if math.isnan(test.pvalue) else float(test.pvalue))


def holm(chances: Mapping[str, float]) -> dict[str, float]:
    r"""Adjust the p of several tests so that the probability of even one false alarm among them stays below the level.

    .. math:: \tilde p_{(i)} = \max_{j \le i} \min\bigl(1, (m - j + 1)\, p_{(j)}\bigr), \qquad p_{(1)} \le \dots \le p_{(m)}

    Reference: A Simple Sequentially Rejective Multiple Test Procedure, S. Holm, Scandinavian Journal of Statistics, 1979.

    Args:
        chances: p of every test.

    Example:
        >>> holm({"fa": 0.01, "usf": 0.04, "kp": 0.03})
        {'fa': 0.03, 'kp': 0.06, 'usf': 0.06}
    """
    adjusted: dict[str, float] = {}
    highest = 0.0
    for rank, (name, p) in enumerate(sorted(chances.items(), key=lambda test: test[1])):
        highest = max(highest, min(1.0, (len(chances) - rank) * p))
        adjusted[name] = highest
    return adjusted
