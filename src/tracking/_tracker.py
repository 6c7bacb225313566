"""What a tracker does, and what the store knows of a run: all that the rest of the package sees of MLflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal

Status = Literal["FINISHED", "KILLED", "FAILED"]


@dataclass(frozen=True)
class ModelFiles:
    """What a model that maps image files to codes consists of.

    Args:
        code: the Python file that MLflow runs.
        sources: directory of the modules that it imports.
        export: directory of the exported network.
        requirements: packages with their versions, as pip takes them.
        outputs: columns of an answer, and MLflow's name of the type of each.
    """

    code: Path
    sources: Path
    export: Path
    requirements: Sequence[str]
    outputs: Mapping[str, str]


class Tracker:
    """Records how a run goes; this one, of ``-tracking off``, records nothing.

    A ``with`` block closes it as finished, as killed after Ctrl-C, or else as failed.
    """

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log one value of each metric, at a step where they form a curve."""

    def log_artifact(self, path: Path, folder: str | None = None) -> None:
        """Copy a file into the run, below a directory of its artifacts."""

    def log_model(self, model: ModelFiles) -> str:
        """Log a model that maps image files to codes, and return where ``mlflow models serve`` finds it; empty for nowhere."""
        return ""

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags, replacing those of the same names."""

    def close(self, status: Status = "FINISHED") -> None:
        """Set the end and the status of the run; a second call does nothing."""

    def __enter__(self) -> Tracker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close("FINISHED" if kind is None else "KILLED" if issubclass(kind, KeyboardInterrupt) else "FAILED")


@dataclass(frozen=True)
class TrackedRun:
    """What the store knows of a run.

    Args:
        run_id: its identifier in the store.
        name: name of the run directory.
        status: "FINISHED", "RUNNING", "KILLED" or "FAILED", after the last phase.
        settings: every setting under its long name, as text.
        tags: its tags.
        metrics: the last value of every metric; none of one whose last value is NaN, which is how a metric is taken back.
        curves: (step, value) of val_mAP and train_loss in order of steps, where they were logged.
    """

    run_id: str
    name: str
    status: str
    settings: dict[str, str]
    tags: dict[str, str]
    metrics: dict[str, float]
    curves: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
