"""Cross-modal hashing as a method: two towers, and codes of two views."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ...data import Metadata, PreparedDataset
from ...interrupts import defer_interrupts
from ...runs import Run
from ...settings import NetworkSettings
from ...training.devices import device_of
from ...training.reporting import Reporting
from .. import Method
from ..encoder import Encoded, encode_items
from ..network_method import NetworkMethod
from .encoder import encoder_of_texts
from .settings import Settings
from .views import texts_of


class CrossModal(NetworkMethod):
    """Trains a network for images and one for texts; the codes of both views are the signs of their outputs."""

    def train(self, run: Run, settings: Settings, reporting: Reporting) -> None:
        """Train a run to its end, see :func:`~biodeephashing.models.CrossModal.fit.fit`."""
        with defer_interrupts():
            from .fit import fit  # imports Lightning, which encoding does not need

        fit(run, settings, reporting)

    def encode(self, run: Run, settings: NetworkSettings, folds: Sequence[Metadata], *, quiet: bool) -> Iterator[Mapping[str, Encoded]]:
        """Yield features and codes of the images and the texts of each of some folds."""
        assert isinstance(settings, Settings)
        texts = encoder_of_texts(settings, run.best_checkpoint, device=device_of(settings), precision=settings.precision)
        prepared = PreparedDataset(settings.database)
        images = super().encode(run, settings, folds, quiet=quiet)
        for fold, encoded in zip(folds, images, strict=True):
            rows = texts_of(prepared, fold, texts.transformation)
            yield {"image": encoded[""], "text": encode_items(texts, rows, settings, name=f"{fold.fold} text", quiet=quiet)}

    def further_files(self, run: Run, settings: Settings) -> Iterator[Path]:
        """Write the codes for other code bases, if asked."""
        if settings.mat:
            from .hash_file import write_mat  # imports the evaluation, which encoding does not need

            yield write_mat(run)


METHOD: Method[Settings] = CrossModal()
