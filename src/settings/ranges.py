"""Ranges of settings that a sweep chooses from, as a YAML file writes them, and the flags that say how it does."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import UsageError, unknown_name
from .common import CommonSettings
from .flags import whole_number
from .setting import check_value, convert, kind_of

SWEEP_FLAGS = ("trials", "rung", "eta")
_FIXED = ("number_of_bits", "seed", "epochs")  # what val mAP must not choose, or a rung counts in


@dataclass(frozen=True)
class Range:
    """The values from ``low`` to ``high``, both included.

    Args:
        low: the smallest value.
        high: the largest one.
        log: whether its logarithm, and not the value, is drawn evenly.
    """

    low: float
    high: float
    log: bool = False

    @property
    def whole(self) -> bool:
        """Whether they are whole numbers."""
        return isinstance(self.low, int)

    def rounded(self, value: float) -> float:
        """Return a value of the range with three digits, so that names of runs can be read.

        Example:
            >>> Range(1e-5, 1e-3, log=True).rounded(0.00012345), Range(8, 64).rounded(17)
            (0.000123, 17)
        """
        return value if self.whole else min(max(float(f"{value:.3g}"), self.low), self.high)


def range_of(table: type[CommonSettings], name: str, content: Mapping[str, Any], source: str) -> Range:
    """Return the range of a setting.

    Args:
        table: the method's settings.
        name: the setting's long name.
        content: what the YAML file says: ``low``, ``high`` and perhaps ``log``.
        source: where it comes from, for error messages.

    Raises:
        UsageError: for a setting that has no ranges, or a range that cannot be.

    Example:
        >>> from biodeephashing.settings import TrainingSettings
        >>> range_of(TrainingSettings, "learning_rate", {"low": "1e-5", "high": "1e-3", "log": "true"}, "sweep.yaml")
        Range(low=1e-05, high=0.001, log=True)
    """
    rows = {field.name: (field, row) for field, row in table.table()}
    if name not in rows:
        raise UsageError(f"{source}: {unknown_name('setting', name, table.long_names())}")
    field, row = rows[name]
    if kind_of(field) not in ("int", "float") or row.named == "never" or name in _FIXED:
        raise UsageError(f"{source}: {name} cannot have a range: a sweep chooses numbers that name a run, but not {', '.join(_FIXED)}")
    for key in content:
        if key not in ("low", "high", "log"):
            raise UsageError(f"{source}: {name}: {unknown_name('key of a range', str(key), ('low', 'high', 'log'))}")
    if missing := [key for key in ("low", "high") if key not in content]:
        raise UsageError(f"{source}: {name}: a range needs {' and '.join(missing)}: {{low: 1e-5, high: 1e-3, log: true}}")
    low, high = (convert(field, content[key], f"{source}: {name}: {key}") for key in ("low", "high"))
    log = str(content.get("log", "false")).lower()
    if log not in ("true", "false"):
        raise UsageError(f"{source}: {name}: log is true or false, not {content['log']!r}")
    for value in (low, high):
        check_value(row, value)
    if low >= high or (log == "true" and low <= 0):
        raise UsageError(f"{source}: {name}: a range goes up from low {low} to high {high}{', above 0 with log' if log == 'true' else ''}")
    return Range(low, high, log == "true")


@dataclass(frozen=True)
class Rungs:
    """Successive halving: all trials train to the first rung, the best of them go on to the next.

    Args:
        first: epochs of the first rung; 0 for none, so that all trials train to the end.
        eta: η: one trial in so many goes on, to so many times the epochs.

    References:
        Non-stochastic Best Arm Identification and Hyperparameter Optimization (Jamieson, Talwalkar; AISTATS 2016).
    """

    first: int = 0
    eta: int = 3

    def epochs(self, last: int) -> list[int]:
        """Return the epochs of each rung, those of the whole training the last.

        Example:
            >>> Rungs(2, 3).epochs(20), Rungs().epochs(20)
            ([2, 6, 18, 20], [20])
        """
        rungs, reached = [], self.first
        while 0 < reached < last:
            rungs.append(reached)
            reached *= self.eta
        return [*rungs, last]

    def going_on(self, trials: int) -> int:
        """Return how many of so many trials go on to the next rung: one in η, rounded up.

        Example:
            >>> Rungs(2, 3).going_on(10)
            4
        """
        return -(-trials // self.eta)


def add_sweep(parser: argparse.ArgumentParser) -> None:
    """Add the flags of a sweep to the parser of a grid; one that is not given leaves nothing in the namespace."""
    group = parser.add_argument_group("sweeps", "over ranges in the YAML file, learning_rate: {low: 1e-5, high: 1e-3, log: true}")
    for flag, metavar, words in (
        ("trials", "N", "trials of each rule, and of each combination of further listed values"),
        ("rung", "N", "epochs after which trials are compared and the best go on; 0: all train to the end (default: 0)"),
        ("eta", "N", f"one trial in so many goes on from each rung, to so many times the epochs (default: {Rungs().eta})"),
    ):
        group.add_argument(f"-{flag}", f"--{flag}", type=whole_number, default=argparse.SUPPRESS, metavar=metavar, help=words)


def given_rungs(namespace: argparse.Namespace) -> Rungs:
    """Return the rungs that :func:`add_sweep` made a command line say.

    Raises:
        UsageError: for flags that cannot be used together.
    """
    given = vars(namespace)
    rungs = Rungs(given.get("rung", 0), given.get("eta", Rungs().eta))
    if "eta" in given and not rungs.first:
        raise UsageError("-eta says how many trials go on from a rung: give -rung too")
    if rungs.eta < 2:
        raise UsageError(f"-eta {rungs.eta} is not possible: one trial in at least 2 goes on")
    return rungs
