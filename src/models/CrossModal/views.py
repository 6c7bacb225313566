"""Images and texts of the same items, apart or as pairs; this loads no Lightning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...data import ImageFold, PreparedDataset, TextFold, TextTransformation, load_texts
from ...data.images.fold import Batch
from ...training.feeding import images_of
from .settings import Settings

Batches: TypeAlias = dict[str, Batch]  # by modality


class Views:
    """Some views of a fold, batch by batch; only items that have them all are present.

    Args:
        views: images, texts or both, by modality.
    """

    def __init__(self, views: dict[str, ImageFold | TextFold]) -> None:
        self.views = views
        self.present: NDArray[np.bool_] = np.logical_and.reduce([view.present for view in views.values()])
        self.ready = all(view.ready for view in views.values())

    def batch(self, rows: Sequence[int], epoch: int = 0) -> Batches:
        """Return inputs, labels and rows of a batch, by modality."""
        return {modality: view.batch(rows, epoch) for modality, view in self.views.items()}


def views_of(
    prepared: PreparedDataset, fold: str, texts: TextTransformation, settings: Settings, *, training: bool = False
) -> dict[str, ImageFold | TextFold]:
    """Return the images and the texts of a fold.

    Args:
        prepared: the dataset.
        fold: name of the fold.
        texts: what happens to its texts.
        settings: the run's settings.
        training: whether to learn from them; only then images are augmented.

    Raises:
        DataError: if the fold has no texts, or one of its files cannot be used.
    """
    metadata = prepared.fold(fold)
    return {
        "image": images_of(metadata, settings, training=training),
        "text": TextFold(metadata, load_texts(prepared, fold), texts),
    }
