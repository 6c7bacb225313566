"""A grid of runs in the hands of an executor, and what is told of each run."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from typing import Any, TypeAlias

from tqdm import tqdm

from ..errors import BioDeepHashingError, cuda_oom_hint, describe
from ..executors import Executor, LocalPool, Outcome
from ..executors.gpus import shares
from ..runs import Run
from ..settings import CommonSettings
from ..surroundings import has_terminal
from ..tracking import start_parent

Work: TypeAlias = Callable[..., str]


def run_grid(cells: Sequence[CommonSettings], work: Work, *, jobs: int, title: str) -> list[str]:
    """Do the work of every cell, several at a time, and return one message per failed cell.

    Args:
        cells: the settings of each run.
        work: what is done with a cell, given its settings and the grid's MLflow run; it returns the line that tells how it went.
        jobs: processes at a time; 0 for one per core, or one per GPU.
        title: name of the grid's MLflow run.
    """
    executor: Executor = LocalPool(jobs, shares(cells[0]))
    parent = None
    if cells[0].tracking == "on" and any(cell.no_skip or Run.of(cell).status != "finished" for cell in cells):
        parent = start_parent(cells[0].database, cells[0].experiment_name, title, {"cells": str(len(cells))})
    with tqdm(total=len(cells), unit="run", desc="grid", disable=not has_terminal()) as bar:
        report = _Report(cells, bar)
        with closing(executor.run(partial(work, parent=parent), cells)) as outcomes:
            for outcome in outcomes:
                report.take(outcome)
    return report.failures


class _Report:
    """Tells how each cell went, by what sets it apart from the others of its grid."""

    def __init__(self, cells: Sequence[CommonSettings], bar: Any) -> None:
        named = [field.name for field, setting in type(cells[0]).table() if setting.named != "never"]
        self.varying = [name for name in named if len({getattr(cell, name) for cell in cells}) > 1]
        self.bar = bar
        self.failures: list[str] = []

    def take(self, outcome: Outcome[CommonSettings, str]) -> None:
        label = self._label(outcome.unit)
        if outcome.error is None:
            self._tell(f"{label}: {outcome.result}")
            return
        reason = _reason(outcome.error)
        self.failures.append(f"  {label}: {reason}")
        self._tell(f"{label}: FAILED: {reason}")

    def _tell(self, line: str) -> None:
        tqdm.write(line)
        self.bar.update()

    def _label(self, cell: CommonSettings) -> str:
        return " ".join(f"{name}={getattr(cell, name)}" for name in self.varying) or cell.name


def _reason(error: Exception) -> str:
    """Return why a cell failed: a sentence for people, or the whole traceback of a defect."""
    if isinstance(error, (BioDeepHashingError, OSError)):
        return describe(error)
    return cuda_oom_hint(error) or "".join(traceback.format_exception(error)).rstrip()
