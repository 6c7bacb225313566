"""Runs in MLflow: opened, written, and read again."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from ..runs import Run, home
from ..runs.mlflow_json import TrackedAs, read_tracked_as, write_tracked_as
from ._model import save_model
from ._provenance import git_commit
from ._store import Store, has_no_store, how_to_open, store_file
from ._tracker import ModelFiles, Status, TrackedRun, Tracker

__all__ = ["how_to_open", "known_experiments", "open_tracker", "start_parent", "tracked_runs"]

CURVES = ("val_mAP", "train_loss")
UNTRACKED = ("preprocessing", "datafolds")  # what hparams.json holds beside the settings of training
TAGS = {"mode": "mode", "loss": "loss", "arch": "architecture", "database": "database", "bits": "number_of_bits", "seed": "seed"}
MODEL = "model"  # the directory below the artifacts of a run
MOST = 1000  # metrics that MLflow takes at once


class MlflowTracker(Tracker):
    """The MLflow run of a run directory, open for writing."""

    def __init__(self, store: Store, run_id: str) -> None:
        self.run_id = run_id
        self._store = store
        self._open = True

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log one value of each metric, at a step where they form a curve."""
        now = int(time.time() * 1000)
        values = [Metric(name, float(value), now, step or 0) for name, value in metrics.items()]
        with self._store.writing() as client:
            for start in range(0, len(values), MOST):
                client.log_batch(self.run_id, metrics=values[start : start + MOST])

    def log_artifact(self, path: Path, folder: str | None = None) -> None:
        """Copy a file into the run, below a directory of its artifacts."""
        with self._store.writing() as client:
            client.log_artifact(self.run_id, str(path), folder)

    def log_model(self, model: ModelFiles) -> str:
        """Log a model that maps image files to codes, and return where ``mlflow models serve`` finds it."""
        with TemporaryDirectory() as place:
            folder = Path(place) / MODEL
            save_model(folder, model)
            files = sorted((file for file in folder.rglob("*") if file.is_file()), key=lambda file: file.name == "MLmodel")
            for file in files:  # MLmodel comes last: without it nothing is a model
                self.log_artifact(file, file.parent.relative_to(place).as_posix())
        with self._store.writing() as client:
            place = client.get_run(self.run_id).info.artifact_uri
        return str(Path(url2pathname(urlsplit(place).path)) / MODEL) if self._store.embedded else f"runs:/{self.run_id}/{MODEL}"

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags, replacing those of the same names."""
        with self._store.writing() as client:
            client.log_batch(self.run_id, tags=[RunTag(name, str(value)) for name, value in tags.items()])

    def close(self, status: Status = "FINISHED") -> None:
        """Set the end and the status of the run; a second call does nothing."""
        if self._open:
            self._open = False
            with self._store.writing() as client:
                client.set_terminated(self.run_id, status)


def open_tracker(run: Run, hparams: Mapping[str, Any], *, fresh: bool, parent: str | None, phase: str | None) -> MlflowTracker:
    """Open the MLflow run of a run directory, or create it."""
    store = Store()
    with store.writing() as client:
        run_id = _recorded_run(run, store, client)
        if run_id and fresh:
            client.set_tag(run_id, "superseded", "true")
        if run_id is None or fresh:
            tags = _tags_of(run, hparams) | ({"mlflow.parentRunId": parent} if parent else {})
            run_id = _create_run(client, _experiment_id(store, client, run.database, run.experiment), run.name, tags)
            client.log_batch(run_id, params=[Param(key, str(value)) for key, value in hparams.items() if key not in UNTRACKED])
            write_tracked_as(run.mlflow_file, TrackedAs(store.public_uri, run_id))
        else:
            client.update_run(run_id, status="RUNNING")
        if phase:
            client.set_tag(run_id, "phase", phase)
    return MlflowTracker(store, run_id)


def start_parent(database: str, experiment: str, name: str, tags: Mapping[str, str]) -> str:
    """Create the MLflow run that the runs of a grid are shown under, and return its identifier."""
    store = Store()
    with store.writing() as client:
        run_id = _create_run(client, _experiment_id(store, client, database, experiment), name, dict(tags))
        client.set_terminated(run_id)  # a parent has no end of its own: each child carries its status
    return run_id


def tracked_runs(database: str, experiment: str) -> list[TrackedRun]:
    """Return the runs of an experiment, the newest of each run directory, without superseded ones."""
    if has_no_store():
        return []
    with Store().writing() as client:
        known = client.get_experiment_by_name(f"{database}/{experiment}")
        newest: dict[str, Any] = {}
        for entry in _search(client, known.experiment_id) if known else ():
            directory = entry.data.tags.get("run_directory")
            if directory and entry.data.tags.get("superseded") != "true":
                newest.setdefault(directory, entry)
        return [_tracked_run(client, entry) for entry in newest.values()]


def known_experiments() -> list[str]:
    """Return the ``<DB>/<EXP>`` names of the store."""
    if has_no_store():
        return []
    with Store().writing() as client:
        return sorted(e.name for e in client.search_experiments() if "/" in e.name)


def _recorded_run(run: Run, store: Store, client: MlflowClient) -> str | None:
    """Return the MLflow run that the run directory records, if this store has it."""
    tracked = read_tracked_as(run.mlflow_file)
    if tracked is None or tracked.tracking_uri != store.public_uri:
        return None
    with suppress(MlflowException):  # a run that the store no longer has
        info = client.get_run(tracked.run_id).info
        return info.run_id if info.lifecycle_stage == "active" else None
    return None


def _experiment_id(store: Store, client: MlflowClient, database: str, experiment: str) -> str:
    """Return the identifier of an experiment, which is created if the store lacks it."""
    title = f"{database}/{experiment}"
    known = client.get_experiment_by_name(title)
    if known:
        return str(known.experiment_id)
    artifacts = store_file().with_name("mlartifacts") / database / experiment
    return str(client.create_experiment(title, artifact_location=artifacts.as_uri() if store.embedded else None))


def _create_run(client: MlflowClient, experiment_id: str, name: str, tags: dict[str, str]) -> str:
    return str(client.create_run(experiment_id, run_name=name, tags=tags).info.run_id)


def _tags_of(run: Run, hparams: Mapping[str, Any]) -> dict[str, str]:
    tags = {tag: hparams[name] for tag, name in TAGS.items() if name in hparams}  # not every method has a loss, or a rule
    tags |= {"git_commit": git_commit(), "run_directory": run.directory.relative_to(home()).as_posix()}
    return {name: str(value) for name, value in tags.items()}


def _search(client: MlflowClient, experiment_id: str) -> Iterator[Any]:
    token = None
    while True:
        page = client.search_runs([experiment_id], order_by=["attributes.start_time DESC"], page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _tracked_run(client: MlflowClient, entry: Any) -> TrackedRun:
    info, data, curves = entry.info, entry.data, {}
    for name in CURVES:
        if name in data.metrics:
            history = sorted(client.get_metric_history(info.run_id, name), key=lambda point: point.timestamp)
            latest = {point.step: point.value for point in history if math.isfinite(point.value)}
            curves[name] = sorted(latest.items())
    metrics = {name: value for name, value in data.metrics.items() if not math.isnan(value)}
    return TrackedRun(info.run_id, info.run_name, info.status, dict(data.params), dict(data.tags), metrics, curves)
