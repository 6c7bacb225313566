"""Run a grid of trials on an executor and report each outcome."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from typing import Any, TypeAlias

from tqdm import tqdm

from ...errors import BioDeepHashingError, cuda_oom_hint, describe, explain_os_error, plain_warnings
from ...executors import Executor, Outcome, open_executor
from ...runs import Run
from ...settings import CommonSettings
from ...settings.units import HERE, Placement
from ...surroundings import has_terminal
from ...tracking import start_parent

Work: TypeAlias = Callable[..., Any]
PATIENCE = 120  # seconds


def run_grid(trials: Sequence[CommonSettings], work: Work, *, placement: Placement = HERE, title: str) -> list[str]:
    """Do the work of every trial, several at a time, and return one message per failed trial.

    Args:
        trials: the settings of each run, of all parts.
        work: called with the settings of a trial and the grid's MLflow run; returns its result, which is printed.
        placement: who runs them, and which of them.
        title: name of the grid's MLflow run.
    """
    own = placement.part.take(trials)
    if not own:
        return []
    with open_executor(placement, own[0]) as executor:
        for line in executor.places:
            print(line)
        parent = None
        if own[0].tracking == "on" and any(trial.no_skip or Run.of(trial).status != "finished" for trial in own):
            parent = start_parent(own[0].database, own[0].experiment_name, title, {"cells": str(len(own))})
        return hand_out(executor, own, partial(work, parent=parent), varying_names(trials)).failures


def hand_out(executor: Executor, trials: Sequence[CommonSettings], work: Work, varying: Sequence[str]) -> Report:
    """Let an executor do the work of some trials, print the outcome of each, and return all.

    Args:
        executor: who does it.
        trials: the settings of each run.
        work: called with the settings of a trial.
        varying: long names of the settings that tell them apart.
    """
    with tqdm(total=len(trials), unit="run", desc="grid", disable=not has_terminal()) as bar:
        report = Report(varying, bar)
        with closing(executor.run(partial(_do, work=work, varying=varying), trials)) as outcomes:
            for outcome in outcomes:
                report.take(outcome)
    return report


def varying_names(trials: Sequence[CommonSettings]) -> list[str]:
    """Return the long names of the settings that name a run in which some trials differ."""
    named = [field.name for field, setting in type(trials[0]).table() if setting.named != "never"]
    return [name for name in named if len({getattr(trial, name) for trial in trials}) > 1]


def _do(trial: CommonSettings, work: Work, varying: Sequence[str]) -> Any:
    """Do the work of a trial in the process of an executor, whose warnings are those of the main one and name the trial."""
    with warnings.catch_warnings(), plain_warnings(f"{_label(trial, varying)}: "):  # each trial warns anew of what the last one did
        return work(trial)


def _label(trial: CommonSettings, varying: Sequence[str]) -> str:
    """Return the settings of a trial that vary in its grid, the name of its run where none does."""
    return " ".join(f"{name}={getattr(trial, name)}" for name in varying) or trial.name


class Report:
    """Reports each trial by the settings that vary in its grid.

    Args:
        varying: their long names.
        bar: counts the trials.
    """

    def __init__(self, varying: Sequence[str], bar: Any) -> None:
        self.varying = varying
        self.bar = bar
        self.failures: list[str] = []
        self.results: dict[CommonSettings, Any] = {}

    def take(self, outcome: Outcome[CommonSettings, Any]) -> None:
        """Take note of an outcome, and print it."""
        label = _label(outcome.unit, self.varying)
        if outcome.error is None:
            self.results[outcome.unit] = outcome.result
            self._print(f"{label}: {outcome.result}")
            return
        reason = reason_of(outcome.error)
        self.failures.append(f"  {label}: {reason}")
        self._print(f"{label}: FAILED: {reason}")

    def _print(self, line: str) -> None:
        tqdm.write(line)
        self.bar.update()


def reason_of(error: Exception) -> str:
    """Return why a unit of work failed: a sentence for people, or the whole traceback of a defect."""
    if isinstance(error, OSError):
        return explain_os_error(error)
    if isinstance(error, BioDeepHashingError):
        return describe(error)
    return cuda_oom_hint(error) or "".join(traceback.format_exception(error)).rstrip()
