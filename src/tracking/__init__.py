"""Tracking with MLflow: one MLflow run per run directory, to which every phase adds; nobody else imports MLflow."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from ..errors import TrackingError
from ..runs import Run
from ._provenance import git_commit
from ._tracker import ModelFiles, TrackedRun, Tracker

__all__ = [
    "URI_VARIABLE", "ModelFiles", "TrackedRun", "Tracker", "git_commit", "how_to_open", "known_experiments", "open_tracker", "start_parent",
    "tracked_runs",
]  # fmt: skip

URI_VARIABLE = "MLFLOW_TRACKING_URI"  # the server; without it a store in a file below experiments/

# MLflow's own defaults wait up to ten minutes for a dead server, print links, and report usage to its makers.
_QUIET = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


def open_tracker(
    run: Run, hparams: Mapping[str, Any], *, enabled: bool = True, fresh: bool = False, parent: str | None = None, phase: str | None = None
) -> Tracker:
    """Open the MLflow run of a run directory, or create it.

    ``mlflow.json`` in the run directory names it; a record of another store, or of a run that was deleted there, is replaced.

    Args:
        run: the run directory.
        hparams: its settings, as ``hparams.json`` holds them; they become parameters and tags.
        enabled: False for a tracker that does nothing.
        fresh: always create a new MLflow run, and tag the former one ``superseded``.
        parent: identifier of the MLflow run that a grid of runs is shown under.
        phase: value of the tag of that name ("train", "predict", ...).

    Raises:
        TrackingError: if MLflow cannot be imported, or its store cannot be reached or written.
        RunError: if another process holds the store for minutes.
    """
    return _backend().open_tracker(run, hparams, fresh=fresh, parent=parent, phase=phase) if enabled else Tracker()


def start_parent(database: str, experiment: str, name: str, tags: Mapping[str, str]) -> str:
    """Create the MLflow run that the runs of a grid are shown under, and return its identifier.

    Raises:
        TrackingError: if MLflow cannot be imported, or its store cannot be reached or written.
        RunError: if another process holds the store for minutes.
    """
    return _backend().start_parent(database, experiment, name, tags)


def tracked_runs(database: str, experiment: str) -> list[TrackedRun]:
    """Return the runs of an experiment, the newest of each run directory, without superseded ones.

    Raises:
        TrackingError: if MLflow cannot be imported or its store cannot be reached.
        RunError: if another process holds the store for minutes.
    """
    return _backend().tracked_runs(database, experiment)


def known_experiments() -> list[str]:
    """Return the ``<DB>/<EXP>`` names of the store.

    Raises:
        TrackingError: if MLflow cannot be imported or its store cannot be reached.
        RunError: if another process holds the store for minutes.
    """
    return _backend().known_experiments()


def how_to_open() -> str:
    """Return the command that opens the MLflow page, or the address of the page.

    Example:
        >>> "mlflow" in how_to_open()
        True
    """
    return _backend().how_to_open()


def _backend() -> Any:
    """Import what uses MLflow, which takes seconds that ``-tracking off`` does not spend."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        return import_module("._mlflow", __name__)
    except ImportError as error:
        raise TrackingError(f"MLflow cannot be imported ({error}): install it with `pip install mlflow`, or use -tracking off") from error
