"""Hashing by a pair loss and its penalties, as a method: how a run is trained and how it encodes images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...checksums import digest
from ...data import Metadata, load_fold
from ...interrupts import held_back
from ...losses import HashingLoss
from ...runs import Run
from ...runs.predictions_json import Fingerprint
from ...training.checkpoints import read_checkpoint
from ...training.devices import device_of
from ...training.feeding import check_preprocessing, transformation_of
from ...training.manner import Manner
from .. import Classifier, Method
from ..encoder import Encoded, Encoder, encode_fold, load_network
from .loss import build_loss
from .settings import Settings


class PenaltyStrategies:
    """Trains a network by a loss with penalties; its codes are the signs of the network's outputs."""

    def train(self, run: Run, settings: Settings, manner: Manner) -> None:
        """Train a run to its end, see :func:`~biodeephashing.training.fit.fit`."""
        with held_back():
            from ...training.fit import fit  # Lightning and all around it, which encoding does without

        fit(run, settings, build_loss, manner)

    def fingerprint(self, run: Run, settings: Settings) -> Fingerprint:
        """Return name and checksum of the checkpoint of the best epoch; its images must be prepared as they were in training."""
        check_preprocessing(run, settings)
        checkpoint = run.best_checkpoint
        return Fingerprint(digest(checkpoint), checkpoint.name)

    def encode(self, run: Run, settings: Settings, folds: Sequence[Metadata], *, quiet: bool) -> Iterator[Mapping[str, Encoded]]:
        """Yield features and codes of each of some folds, by the network of the best epoch."""
        network, preprocessing = load_network(settings, run.best_checkpoint), transformation_of(settings).preprocessing
        encoder = Encoder(network, preprocessing, device=device_of(settings), precision=settings.precision)
        for fold in folds:
            yield {"": encode_fold(encoder, fold, settings, quiet=quiet)}

    def classifier(self, run: Run, settings: Settings) -> Classifier:
        """Return the head or the centres of the run's loss."""
        loss = build_loss(settings, load_fold(settings.database, "train")).eval()
        loss.load_state_dict(read_checkpoint(run.best_checkpoint)["loss"])
        module = _Probabilities(loss)

        def probabilities(features: NDArray[np.float32]) -> NDArray[np.float32]:
            with torch.inference_mode():
                found: NDArray[np.float32] = module(torch.from_numpy(features)).numpy()
            return found

        return Classifier(f"the {'centres' if hasattr(loss, 'centres') else 'head'} of {settings.loss}", probabilities, module)


class _Probabilities(nn.Module):
    """What a loss with a head or centres makes of features."""

    def __init__(self, loss: HashingLoss) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, features: Tensor) -> Tensor:
        found = self.loss.class_probabilities(features)
        assert found is not None
        return found


METHOD: Method[Settings] = PenaltyStrategies()
