"""The settings that Optuna proposes to a sweep; nobody else imports it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import UsageError
from ...settings.ranges import Range


class Proposals:
    """Settings from some ranges, the later ones near those that were good: a tree-structured Parzen estimator.

    What it proposes depends on the ranges, the seed and the values that it was told, in the order of its trials, and on nothing else.

    Args:
        ranges: by the long name of a setting.
        seed: of what is drawn.

    Raises:
        UsageError: if Optuna is not installed.

    References:
        Algorithms for Hyper-Parameter Optimization (Bergstra, Bardenet, Bengio, Kégl; NeurIPS 2011).
    """

    def __init__(self, ranges: Mapping[str, Range], seed: int) -> None:
        try:
            import optuna
        except ImportError as error:
            raise UsageError('-trials needs Optuna, which is not installed: `pip install "biodeephashing[sweep]"` brings it') from error
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.ranges = ranges
        self._failed = optuna.trial.TrialState.FAIL
        self._study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed % 2**32))
        self._asked: list[Any] = []

    def ask(self, count: int) -> list[dict[str, Any]]:
        """Return settings to try, by long name; two may be alike where ranges are small."""
        self._asked = [self._study.ask() for _ in range(count)]
        return [{name: _value(trial, name, of) for name, of in self.ranges.items()} for trial in self._asked]

    def tell(self, values: Sequence[float | None]) -> None:
        """Take the values of the settings that were asked for last, in their order; None for those that failed."""
        for trial, value in zip(self._asked, values, strict=True):
            self._study.tell(trial, value, state=self._failed if value is None else None)


def _value(trial: Any, name: str, of: Range) -> float:
    suggest = trial.suggest_int if of.whole else trial.suggest_float
    return of.rounded(suggest(name, of.low, of.high, log=of.log))
