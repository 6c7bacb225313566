"""Tracking with MLflow: one MLflow run per run directory, to which every phase adds; nobody else imports MLflow."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from ._mlflow_store import Store, has_no_store, how_to_open, store_file
from ._provenance import git_commit
from .runs import Run, home
from .runs.mlflow_json import TrackedAs, read_tracked_as, write_tracked_as

__all__ = [
    "NoTracker",
    "TrackedRun",
    "Tracker",
    "finished_runs",
    "how_to_open",
    "known_experiments",
    "open_tracker",
    "start_parent",
    "tracked_runs",
]

CURVES = ("val_mAP", "train_loss")
Status = Literal["FINISHED", "KILLED", "FAILED"]

_UNTRACKED = ("preprocessing", "datafolds")  # what hparams.json holds beside the settings of training
_TAGS = {"mode": "mode", "loss": "loss", "arch": "architecture", "database": "database", "bits": "number_of_bits", "seed": "seed"}
_BATCH = 1000  # most values that MLflow takes at once


class Tracker:
    """The MLflow run of a run directory, open for writing; a ``with`` block closes it as finished, killed or failed."""

    def __init__(self, store: Store, run_id: str) -> None:
        self.run_id = run_id
        self._store = store
        self._open = True

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log one value of each metric, at a step where they form a curve."""
        self._log([(name, value, step or 0) for name, value in metrics.items()])

    def log_curve(self, name: str, points: Sequence[tuple[int, float]]) -> None:
        """Log a whole curve of (step, value) at once."""
        self._log([(name, value, step) for step, value in points])

    def log_artifact(self, path: Path, folder: str | None = None) -> None:
        """Copy a file into the run, below a folder of its artifacts."""
        with self._store.writing() as client:
            client.log_artifact(self.run_id, str(path), folder)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags, replacing those of the same names."""
        from mlflow.entities import RunTag

        with self._store.writing() as client:
            client.log_batch(self.run_id, tags=[RunTag(name, str(value)) for name, value in tags.items()])

    def close(self, status: Status = "FINISHED") -> None:
        """Set the end and the status of the run; a second call does nothing."""
        if not self._open:
            return
        self._open = False
        with self._store.writing() as client:
            client.set_terminated(self.run_id, status)

    def _log(self, values: Sequence[tuple[str, float, int]]) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(name, float(value), now, int(step)) for name, value, step in values]
        with self._store.writing() as client:
            for start in range(0, len(metrics), _BATCH):
                client.log_batch(self.run_id, metrics=metrics[start : start + _BATCH])

    def __enter__(self) -> Tracker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self.close("KILLED" if issubclass(kind, KeyboardInterrupt) else "FAILED")


class NoTracker:
    """What ``-tracking off`` asks for: the methods of :class:`Tracker`, doing nothing."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Do nothing."""

    def log_curve(self, name: str, points: Sequence[tuple[int, float]]) -> None:
        """Do nothing."""

    def log_artifact(self, path: Path, folder: str | None = None) -> None:
        """Do nothing."""

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Do nothing."""

    def close(self, status: Status = "FINISHED") -> None:
        """Do nothing."""

    def __enter__(self) -> NoTracker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class TrackedRun:
    """What the store knows of a run.

    Args:
        run_id: its identifier in the store.
        name: name of the run directory.
        status: "FINISHED", "RUNNING", "KILLED" or "FAILED", after the last phase.
        settings: every setting under its long name, as text.
        tags: its tags.
        metrics: the last value of every metric; none of one whose last value is NaN, which is how a number is taken back.
        curves: (step, value) in order of steps, for each of :data:`CURVES` that was logged.
    """

    run_id: str
    name: str
    status: str
    settings: dict[str, str]
    tags: dict[str, str]
    metrics: dict[str, float]
    curves: dict[str, list[tuple[int, float]]] = field(default_factory=dict)


def open_tracker(
    run: Run, hparams: Mapping[str, Any], *, enabled: bool = True, fresh: bool = False, parent: str | None = None, phase: str | None = None
) -> Tracker | NoTracker:
    """Open the MLflow run of a run directory, or create it.

    Which one it is stands in ``mlflow.json`` in the run directory; a record of another store, or of a run that was
    deleted there, is replaced.

    Args:
        run: the run directory.
        hparams: its settings, as ``hparams.json`` holds them; they become parameters and tags.
        enabled: False for a tracker that does nothing.
        fresh: always create a new MLflow run, and tag the former one ``superseded``.
        parent: identifier of the MLflow run that a grid of runs is shown under.
        phase: what is being done, for the tag of that name.

    Raises:
        TrackingError: when MLflow is not installed, or its store cannot be reached or written.
    """
    if not enabled:
        return NoTracker()
    store = Store()
    with store.writing() as client:
        run_id = _recorded_run(run, store, client)
        if run_id and fresh:
            client.set_tag(run_id, "superseded", "true")
        if run_id is None or fresh:
            tags = _tags_of(run, hparams) | ({"mlflow.parentRunId": parent} if parent else {})
            settings = {name: value for name, value in hparams.items() if name not in _UNTRACKED}
            run_id = _create_run(store, client, run.database, run.experiment, run.name, tags, settings)
            write_tracked_as(run.mlflow_file, TrackedAs(store.public_uri, run_id))
        else:
            client.update_run(run_id, status="RUNNING")
        if phase:
            client.set_tag(run_id, "phase", phase)
    return Tracker(store, run_id)


def start_parent(database: str, experiment: str, name: str, tags: Mapping[str, str]) -> str:
    """Create the MLflow run that the runs of a grid are shown under, and return its identifier.

    Raises:
        TrackingError: when MLflow is not installed, or its store cannot be reached or written.
    """
    store = Store()
    with store.writing() as client:
        run_id = _create_run(store, client, database, experiment, name, dict(tags), {})
        client.set_terminated(run_id)  # a parent has no end of its own: each child carries its status
    return run_id


def finished_runs(database: str, experiment: str) -> list[TrackedRun]:
    """Return the runs of :func:`tracked_runs` whose last phase finished."""
    return [run for run in tracked_runs(database, experiment) if run.status == "FINISHED"]


def tracked_runs(database: str, experiment: str) -> list[TrackedRun]:
    """Return the runs of an experiment, the newest of each run directory, without superseded ones.

    Raises:
        TrackingError: when MLflow is not installed or its store cannot be reached.
    """
    if has_no_store():
        return []
    store = Store()
    with store.writing() as client:
        found = client.get_experiment_by_name(f"{database}/{experiment}")
        if found is None:
            return []
        newest: dict[str, Any] = {}
        for entry in _search(client, found.experiment_id):
            directory = entry.data.tags.get("run_directory")
            if directory and entry.data.tags.get("superseded") != "true":
                newest.setdefault(directory, entry)
        return [_describe(client, entry) for entry in newest.values()]


def known_experiments() -> list[str]:
    """Return the ``<DB>/<EXP>`` names of the store.

    Raises:
        TrackingError: when MLflow is not installed or its store cannot be reached.
    """
    if has_no_store():
        return []
    with Store().writing() as client:
        return sorted(e.name for e in client.search_experiments() if "/" in e.name)


def _recorded_run(run: Run, store: Store, client: Any) -> str | None:
    """Return the MLflow run that the run directory records, if this store has it."""
    from mlflow.exceptions import MlflowException

    tracked = read_tracked_as(run.mlflow_file)
    if tracked is None or tracked.tracking_uri != store.public_uri:
        return None
    with suppress(MlflowException):  # a run that the store no longer has
        found = client.get_run(tracked.run_id)
        return found.info.run_id if found.info.lifecycle_stage == "active" else None
    return None


def _create_run(
    store: Store, client: Any, database: str, experiment: str, name: str, tags: dict[str, str], settings: Mapping[str, Any]
) -> str:
    from mlflow.entities import Param

    title = f"{database}/{experiment}"
    found = client.get_experiment_by_name(title)
    folder = store_file().with_name("mlartifacts") / database / experiment
    place = {"artifact_location": folder.as_uri()} if store.embedded else {}
    number = found.experiment_id if found else client.create_experiment(title, **place)
    run_id: str = client.create_run(number, run_name=name, tags=tags).info.run_id
    if settings:
        client.log_batch(run_id, params=[Param(key, str(value)) for key, value in settings.items()])
    return run_id


def _tags_of(run: Run, hparams: Mapping[str, Any]) -> dict[str, str]:
    tags = {tag: hparams[name] for tag, name in _TAGS.items() if name in hparams}  # not every method has a loss, or a rule
    tags |= {"git_commit": git_commit(), "run_directory": run.directory.relative_to(home()).as_posix()}
    return {name: str(value) for name, value in tags.items()}


def _search(client: Any, experiment_id: str) -> Iterator[Any]:
    token = None
    while True:
        page = client.search_runs([experiment_id], max_results=_BATCH, order_by=["attributes.start_time DESC"], page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _describe(client: Any, entry: Any) -> TrackedRun:
    info, data, curves = entry.info, entry.data, {}
    for name in CURVES:
        if name in data.metrics:
            history = sorted(client.get_metric_history(info.run_id, name), key=lambda point: point.timestamp)
            latest = {point.step: point.value for point in history if math.isfinite(point.value)}
            curves[name] = sorted(latest.items())
    metrics = {name: value for name, value in data.metrics.items() if not math.isnan(value)}
    return TrackedRun(info.run_id, info.run_name, info.status, dict(data.params), dict(data.tags), metrics, curves)
