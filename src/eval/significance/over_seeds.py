"""Spread over seeds, and differences between rules trained with the same seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

BASELINE = "bp"  # the rule that all others are compared with
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation of a few values.

    Args:
        mean: their mean.
        sd: their standard deviation (divisor n - 1); None for a single value.
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
    differences = [values[seed] - baseline[seed] for seed in sorted(values) if seed in baseline]
    if not differences:
        return None
    found = spread(differences)
    if found.sd is None:
        return Difference(found.mean, None, None, 1, None)
    from scipy.stats import t

    error = found.sd / math.sqrt(found.n)
    half = float(t.ppf((1 + CONFIDENCE) / 2, found.n - 1)) * error
    # without any spread t is infinite, or 0 / 0 where the mean is 0
    p = 2 * float(t.sf(abs(found.mean) / error, found.n - 1)) if error else float(found.mean == 0)
    return Difference(found.mean, found.mean - half, found.mean + half, found.n, p)


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
    for place, (name, p) in enumerate(sorted(chances.items(), key=lambda test: test[1])):
        highest = max(highest, min(1.0, (len(chances) - place) * p))
        adjusted[name] = highest
    return adjusted
