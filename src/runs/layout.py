"""Paths: the only module that knows directories and the names of files."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import RunError, nearest, unknown_name
from ..settings import CommonSettings
from .hparams_json import HPARAMS_FILE, method_of, read_hparams, read_settings
from .methods import DEFAULT_METHOD, METHODS, settings_of
from .split_json import SPLIT_FILE

HOME_VARIABLE = "BIODEEPHASHING_HOME"
STATUSES = ("training", "finished", "interrupted")


def home() -> Path:
    """Return the project root, absolute: ``BIODEEPHASHING_HOME`` where that is set (``~``: the user's home), else the working directory."""
    return Path(os.path.expanduser(os.environ.get(HOME_VARIABLE, ""))).absolute()  # noqa: PTH111 - Path.expanduser() needs a home


def processed_folder(database: str) -> Path:
    """Return the directory of a prepared dataset."""
    return home() / "data" / "processed" / database


def raw_folder(database: str) -> Path:
    """Return the directory downloads of a dataset go to."""
    return home() / "data" / "raw" / database


def experiments_folder() -> Path:
    """Return the directory of the MLflow store and the TensorBoard logs."""
    return home() / "experiments"


def experiment_folder(database: str, experiment: str, method: str = DEFAULT_METHOD) -> Path:
    """Return the directory of all runs of a method in an experiment on a dataset."""
    return home() / "models" / method / database / experiment


def comparison_folder(database: str, experiment: str, *methods: str) -> Path:
    """Return the directory a comparison of the runs of an experiment is written to.

    Args:
        database: the dataset.
        experiment: the experiment.
        methods: the methods of the runs, none for the default one; several share the directory ``comparison``.
    """
    distinct = {*methods} or {DEFAULT_METHOD}
    return home() / "eval" / ("comparison" if len(distinct) > 1 else distinct.pop()) / database / experiment


@dataclass(frozen=True)
class Run:
    """A run: the directory of one training, its codes and its records.

    Args:
        database: the dataset.
        experiment: the experiment.
        name: the run's name, as :attr:`CommonSettings.name` builds it.
        method: the method that trains it.
    """

    database: str
    experiment: str
    name: str
    method: str = DEFAULT_METHOD

    @classmethod
    def of(cls, settings: CommonSettings) -> Run:
        """Return the run that settings describe."""
        return cls(settings.database, settings.experiment_name, settings.name, settings.method)

    @classmethod
    def in_folder(cls, folder: Path) -> Run:
        """Return the run of a path that ends in ``<METHOD>/<DB>/<EXP>/<NAME>``, there or not.

        Example:
            >>> Run.in_folder(Path("models/PenaltyStrategies/DIGITS/demo/-mode=bp")).experiment
            'demo'
        """
        method, database, experiment, name = folder.parts[-4:]
        return cls(database, experiment, name, method)

    @classmethod
    def at(cls, path: str | Path) -> Run:
        """Return the run whose directory a path names: absolute, from the working directory, or from the project root.

        Raises:
            RunError: if there is no run at that path.
        """
        folder = Path(path).absolute()
        folder = folder if folder.is_dir() else home() / path
        if not folder.is_dir():
            raise RunError(f"there is no run directory {folder}{_nearest(folder)}")
        parts = folder.resolve().parts
        if len(parts) < 5 or parts[-5] != "models":
            raise RunError(f"{folder} is not a run directory: those lie at models/<METHOD>/<DB>/<EXP>/<NAME>")
        run = cls.in_folder(folder.resolve())
        if run.method not in METHODS and method_of(run.hparams_file) != run.method:
            raise RunError(f"{run} is not a run directory: {unknown_name('method', run.method, METHODS)}")
        if run.directory.resolve() != folder.resolve():
            raise RunError(f"{folder} lies outside the project root {home()}: set {HOME_VARIABLE} to its root")
        return run

    @property
    def directory(self) -> Path:
        """Directory of settings, checkpoints and codes."""
        return experiment_folder(self.database, self.experiment, self.method) / self.name

    @property
    def evaluation(self) -> Path:
        """Directory of the run's metrics and figures."""
        return comparison_folder(self.database, self.experiment, self.method) / self.name

    @property
    def logs(self) -> Path:
        """Directory of the run's TensorBoard logs (``version_<k>`` below it); that of the default method does not name the method."""
        method = "" if self.method == DEFAULT_METHOD else self.method
        return experiments_folder() / "lightning_logs" / method / self.database / self.experiment / self.name

    @property
    def last_checkpoint(self) -> Path:
        """The checkpoint that an interrupted training resumes from."""
        return self.directory / "last.ckpt"

    @property
    def hparams_file(self) -> Path:
        """The settings the run was made with."""
        return self.directory / HPARAMS_FILE

    @property
    def split_file(self) -> Path:
        """The facts about the split the run was trained on."""
        return self.directory / SPLIT_FILE

    @property
    def mlflow_file(self) -> Path:
        """Which MLflow run belongs to the run."""
        return self.directory / "mlflow.json"

    @property
    def attempt_file(self) -> Path:
        """Which process trains the run, while one does."""
        return self.directory / "attempt"

    @property
    def alignment_file(self) -> Path:
        """How far each layer was from backpropagation."""
        return self.directory / "alignment.csv"

    @property
    def predictions_file(self) -> Path:
        """Which checkpoint the codes belong to, and the facts about each fold."""
        return self.directory / "predictions.json"

    @property
    def rotation_file(self) -> Path:
        """The source and the objective of a rotation of another run."""
        return self.directory / "rotation.json"

    @property
    def codebook_file(self) -> Path:
        """The code of each class, of a method that learns them: real, float32 (classes, bits)."""
        return self.directory / "codebook.npy"

    @property
    def learned_codes_file(self) -> Path:
        """Packed codes of the train fold, of a method that learns them apart from the network: uint8 (n, ceil(bits / 8))."""
        return self.directory / "learned-codes.npy"

    @property
    def class_codes_file(self) -> Path:
        """How well images are classified by the codes of classes."""
        return self.evaluation / "class_codes.json"

    def features_file(self, fold: str, view: str = "") -> Path:
        """Raw hash-layer outputs of a fold, float32 (n, bits); of one of its views (image, text) where it has several."""
        return self.directory / f"{_part(fold, view)}-features.npy"

    def codes_file(self, fold: str, view: str = "") -> Path:
        """Packed codes of a fold or a view of it, uint8 (n, ceil(bits / 8))."""
        return self.directory / f"{_part(fold, view)}-codes.npy"

    def hashes_file(self, fold: str, view: str = "") -> Path:
        """Codes of a fold or a view of it as text, one row of ±1 per item."""
        return self.directory / f"{_part(fold, view)}-hashes.tsv"

    def hash_file(self, bits: int) -> Path:
        """Codes of both views of query and database with their labels, as a MATLAB file."""
        return self.directory / f"{bits}-hash.mat"

    def evaluation_file(self, fold: str) -> Path:
        """Evaluation of a fold against the database."""
        return self.evaluation / f"{fold}-prediction_mAP.json"

    def index(self, view: str = "image") -> Path:
        """Directory of the index that searches the run's codes."""
        return self.directory / ("index" if view == "image" else f"index-{view}")

    @property
    def export(self) -> Path:
        """Folder of the exported network."""
        return self.directory / "export"

    @property
    def best_checkpoint(self) -> Path:
        """Checkpoint of the epoch with the best val mAP.

        Raises:
            RunError: if the run has none.
        """
        checkpoints = sorted(self.directory.glob("best-epoch=*.ckpt"), key=lambda path: path.stat().st_mtime)
        if not checkpoints:
            raise RunError(f"{self.directory} holds no best-epoch=<n>.ckpt: train it first (or again, with -no_skip)")
        return checkpoints[-1]

    @property
    def status(self) -> str | None:
        """Return "training", "finished" or "interrupted" after the marker file, None for a run never started."""
        return next((s for s in STATUSES if (self.directory / f"status={s}.out").exists()), None)

    def mark(self, status: str) -> None:
        """Set the marker file, renaming an existing one.

        Raises:
            RunError: for a status that does not exist.
        """
        if status not in STATUSES:
            raise RunError(f"{status!r} is no status: those are {', '.join(STATUSES)}")
        self.directory.mkdir(parents=True, exist_ok=True)
        target = self.directory / f"status={status}.out"
        current = self.status
        if current is None:
            target.touch()
        elif current != status:
            (self.directory / f"status={current}.out").replace(target)

    def settings(self) -> CommonSettings:
        """Read the run's settings back, as the table of its method.

        Raises:
            RunError: if ``hparams.json`` is missing, damaged or describes another run, or the method is not installed.
            UsageError: if a newer version wrote it.
        """
        self.check_method()
        self._check_location(read_hparams(self.hparams_file))
        settings = read_settings(self.hparams_file, settings_of(self.method))
        if settings.name != self.name:
            raise self._described(self.method, settings.database, settings.experiment_name, settings.name)
        return settings

    def hparams(self) -> dict[str, Any]:
        """Read what ``hparams.json`` holds, which needs no method; enough for evaluation, comparison and the list of runs.

        Raises:
            RunError: if it is missing, damaged or describes another run; without the method the name itself is not checked.
        """
        values = read_hparams(self.hparams_file)
        self._check_location(values)
        if self.method in METHODS:
            self.settings()
        return values

    def check_method(self) -> None:
        """Refuse a run whose method is not installed.

        Raises:
            RunError: if the method is not installed.
        """
        if self.method not in METHODS:
            raise RunError(f"{self} is a run of the method {self.method}, which is not installed; installed: {', '.join(METHODS)}")

    def _check_location(self, values: Mapping[str, Any]) -> None:
        recorded = values.get("model", self.method), values.get("database"), values.get("experiment_name")
        if recorded != (self.method, self.database, self.experiment):
            raise self._described(*recorded, self.name)

    def _described(self, *parts: str | None) -> RunError:
        return RunError(f"{self.hparams_file} describes another run ({'/'.join(map(str, parts))}): the directory was renamed or copied")

    @property
    def quoted(self) -> str:
        """The directory in double quotes, for a command to copy: a shell reads no ``$`` in it.

        Example:
            >>> Run("DIGITS", "demo", "-mode=bp").quoted.endswith('/DIGITS/demo/-mode=bp"')
            True
        """
        escaped = re.sub(r'([\\"$`])', r"\\\1", str(self))
        return f'"{escaped}"'

    def __str__(self) -> str:
        """Return the directory relative to the working directory, if it is below it."""
        below = self.directory.is_relative_to(Path.cwd())
        return str(self.directory.relative_to(Path.cwd()) if below else self.directory)


def known_runs() -> list[Run]:
    """Return the runs of all methods below the project root, in the order of their paths."""
    runs = (Run.in_folder(folder) for folder in sorted((home() / "models").glob("*/*/*/*")))
    return [run for run in runs if run.hparams_file.is_file() or run.status]


def _part(fold: str, view: str) -> str:
    return f"{fold}-{view}" if view else fold


def _nearest(folder: Path) -> str:
    """Return the likely meaning of a path to no directory: another method, or the sibling with the nearest name."""
    if len(folder.parts) > 4 and folder.parts[-5] == "models" and folder.parts[-4] not in METHODS:
        return f": {unknown_name('method', folder.parts[-4], METHODS)}"
    siblings = [path.name for path in folder.parent.glob("*") if path.is_dir()] if folder.parent.is_dir() else []
    guess = nearest(folder.name, siblings)
    return f"; the nearest is {guess!r}" if guess else ""
