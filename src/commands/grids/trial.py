"""What the process of an executor does with one trial: all of it for a grid, its training up to a rung for a sweep."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass

from ...interrupts import defer_interrupts
from ...runs import Run, only_process
from ...settings import CommonSettings, TrainingSettings
from ...training.reporting import PausedError


@dataclass(frozen=True)
class Reached:
    """How far the training of a trial has come.

    Args:
        value: val mAP of its best epoch so far.
        epochs: epochs that it has trained.
        of: most epochs of the whole training.
    """

    value: float
    epochs: int
    of: int

    def __str__(self) -> str:
        """Return it as the line of a trial shows it."""
        return f"{self.value:.4f} val mAP after {self.epochs} of {self.of} epochs"


def run_trial(settings: CommonSettings, parent: str | None, *, patience: float = 0) -> str:
    """Train, predict and evaluate one trial, and return a line with its result.

    Args:
        settings: the settings of the run.
        parent: MLflow id of the grid the run belongs to, if any.
        patience: seconds to wait for the lock of a run in training: the node of an earlier attempt may still hold it.
    """
    with defer_interrupts():
        from .. import evaluate, predict, train  # PyTorch and Lightning, once per process; the grid's own needs neither

    started, run = time.monotonic(), Run.of(settings)
    _wait_for_lock(run, patience)
    skipped = train.reason_to_skip(run, settings) is not None
    train.train(settings, quiet=True, parent=parent)
    predict.predict(settings, quiet=True)
    results = evaluate.evaluate(run, no_skip=settings.no_skip, quiet=True)
    done = "was trained already" if skipped else f"{time.monotonic() - started:.0f} s"
    return f"{results['query']['mAP_expected']:.4f} query mAP ({done})"


def train_until(settings: TrainingSettings, parent: str | None, *, epochs: int, patience: float = 0) -> Reached:
    """Train one trial until it has so many epochs, unless it has them or stopped early, and return how far it came by then.

    Args:
        settings: the settings of the run.
        parent: MLflow id of the sweep the run belongs to, if any.
        epochs: those of the rung.
        patience: see :func:`run_trial`.
    """
    with defer_interrupts():
        from ...training.loop import validated
        from .. import train

    run = Run.of(settings)
    _wait_for_lock(run, patience)
    with suppress(PausedError):
        train.train(settings, quiet=True, parent=parent, until=epochs)
    values = validated(run)[:epochs]  # it may have come further before
    return Reached(max(values), len(values), settings.epochs)


def _wait_for_lock(run: Run, patience: float) -> None:
    if patience and run.status == "training":
        with only_process(run.directory / ".lock", wait=patience, busy=f"another process has been training {run} for {patience:g} s"):
            pass
