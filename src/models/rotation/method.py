"""A rotation as a method: it trains by learning an orthogonal matrix, and folds it into the hash layer of its parent's network."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor

from ... import codes
from ...codes.rotations import Rotation
from ...data import Metadata
from ...runs import Run
from ...runs.hparams_json import hparams_of
from ...runs.rotation_json import write_rotation
from ...tracking import open_tracker
from ...training.checkpoints import read_checkpoint, write_checkpoint
from ...training.reporting import Reporting
from ...training.status import recorded_training
from ..encoder import Encoded
from ..network_method import NetworkMethod
from .parent import Parent
from .settings import RotationSettings

Table = TypeVar("Table", bound=RotationSettings)


@dataclass(frozen=True)
class _Learnt:
    rotation: Rotation
    before: float
    after: float
    seconds: float


class RotationMethod(NetworkMethod, ABC, Generic[Table]):
    """Rotates the codes of a finished run; it encodes images by that run's network, whose hash layer holds the rotation."""

    @abstractmethod
    def learn(self, settings: Table, train: Tensor, val: Tensor, generator: torch.Generator) -> Rotation:
        """Learn the rotation.

        Args:
            settings: the rotation's settings.
            train: features to learn from, (n, K).
            val: features to choose by, (m, K).
            generator: draws all that is drawn.
        """

    def train(self, run: Run, settings: Table, reporting: Reporting) -> None:
        """Learn the rotation of a run's parent, and write the rotated network; nothing is touched before the rotation is learnt.

        Raises:
            BioDeepHashingError: if the parent cannot be rotated, or nothing can be learnt from its features.
        """
        parent = Parent.of(settings.parent)
        learnt = self._learn(parent, settings)
        again = run.status is not None
        with recorded_training(run, settings, anew=True):
            _write_network(run, settings, parent, learnt)
            values = {"before": learnt.before, "after": learnt.after}
            write_rotation(run.rotation_file, parent.source, learnt.rotation.objectives, values)
            _track(run, settings, reporting, learnt, again=again)
        if not reporting.quiet:
            print(f"val mAP {learnt.before:.4f} before the rotation, {learnt.after:.4f} after it ({learnt.seconds:.1f} s)")

    def rotated(self, run: Run, parent: Parent, folds: Sequence[Metadata]) -> Iterator[Mapping[str, Encoded]]:
        """Yield features and codes of each of some folds, from the parent's features and without its images."""
        content = read_checkpoint(run.best_checkpoint)["rotation"]
        rotation = Rotation(content["matrix"], content["mean"])
        for fold in folds:
            coded = parent.coded(fold.fold)
            features = rotation.rotate(torch.from_numpy(coded.features)).numpy()
            features[list(coded.absent)] = 0
            yield {"": Encoded(features, codes.pack(features), coded.absent)}

    def _learn(self, parent: Parent, settings: Table) -> _Learnt:
        train, val = parent.features("train"), parent.features("val")
        parent.warn(train)
        started = time.monotonic()
        rotation = self.learn(settings, train, val, torch.Generator().manual_seed(settings.seed))
        seconds = time.monotonic() - started
        after = parent.validated(rotation.rotate(train), rotation.rotate(val))
        return _Learnt(rotation, parent.validated(train, val), after, seconds)


def _write_network(run: Run, settings: RotationSettings, parent: Parent, learnt: _Learnt) -> None:
    checkpoint, rotation = parent.run.best_checkpoint, learnt.rotation
    content = read_checkpoint(checkpoint)
    network = content["network"]
    weight, bias = rotation.fold(network["hash_layer.weight"], network["hash_layer.bias"])
    content["network"] = network | {"hash_layer.weight": weight, "hash_layer.bias": bias}
    content["loss"] = {}  # what the loss learned belongs to the former axes
    content |= {"hparams": hparams_of(settings), "val_mAP": learnt.after}
    content["rotation"] = {"matrix": rotation.matrix, "mean": rotation.mean}
    write_checkpoint(run.directory / checkpoint.name, content)


def _track(run: Run, settings: RotationSettings, reporting: Reporting, learnt: _Learnt, *, again: bool) -> None:
    enabled = settings.tracking == "on"
    with open_tracker(run, hparams_of(settings), enabled=enabled, fresh=again, parent=reporting.parent, phase="rotate") as tracker:
        values = {"parent_val_mAP": learnt.before, "best_val_mAP": learnt.after, "train_seconds": learnt.seconds}
        tracker.log_metrics(values | {"rotation_objective": min(learnt.rotation.objectives)})
