"""What the methods have in common whose codes are the signs of a network's outputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..backbones import HashNetwork
from ..checksums import digest
from ..data import Metadata
from ..runs import Run
from ..runs.predictions_json import Fingerprint
from ..settings import NetworkSettings
from ..training.checkpoints import write_checkpoint
from ..training.devices import device_of
from ..training.feeding import check_preprocessing, input_of
from .encoder import Encoded, NetworkEncoder, encode_fold
from .loading import load_network


class NetworkMethod:
    """A :class:`~biodeephashing.models.Method` but for ``train``, which leaves the network's checkpoint in the run's directory."""

    def fingerprint(self, run: Run, settings: NetworkSettings) -> Fingerprint:
        """Return name and checksum of the checkpoint of the best epoch; its images must be prepared as they were in training."""
        check_preprocessing(run, settings)
        checkpoint = run.best_checkpoint
        return Fingerprint(digest(checkpoint), checkpoint.name)

    def encode(self, run: Run, settings: NetworkSettings, folds: Sequence[Metadata], *, quiet: bool) -> Iterator[Mapping[str, Encoded]]:
        """Yield features and codes of each of some folds, by the network of the best epoch."""
        network = load_network(settings, run.best_checkpoint)
        encoder = NetworkEncoder(network, input_of(settings), device=device_of(settings), precision=settings.precision)
        for fold in folds:
            yield {"": encode_fold(encoder, fold, settings, quiet=quiet)}


def save_network(run: Run, network: HashNetwork) -> None:
    """Write a network as the checkpoint of a run that has no epochs to choose from; :class:`Encoder` and prediction take it from there."""
    write_checkpoint(run.directory / "best-epoch=0.ckpt", {"network": network.state_dict()})
