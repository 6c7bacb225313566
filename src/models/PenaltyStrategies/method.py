"""Hashing by a pair loss and its penalties, as a method: how a run is trained and how it encodes images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ...checksums import digest
from ...data import Metadata
from ...interrupts import held_back
from ...runs import Run
from ...runs.predictions_json import Fingerprint
from ...training.devices import device_of
from ...training.feeding import check_preprocessing, transformation_of
from ...training.manner import Manner
from .. import Method
from ..encoder import Encoded, Encoder, encode_fold, load_network
from .settings import Settings


class PenaltyStrategies:
    """Trains a network by a loss with penalties; its codes are the signs of the network's outputs."""

    def train(self, run: Run, settings: Settings, manner: Manner) -> None:
        """Train a run to its end, see :func:`~biodeephashing.training.fit.fit`."""
        with held_back():
            from ...training.fit import fit  # Lightning and all around it, which encoding does without
            from .loss import build_loss

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


METHOD: Method[Settings] = PenaltyStrategies()
