"""Images and texts of the same items, apart or as pairs; this loads no Lightning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...data import (
    FeatureFold,
    FeatureTransformation,
    ImageFold,
    Metadata,
    PreparedDataset,
    TextFold,
    TextTransformation,
    has_features,
    load_features,
    load_texts,
)
from ...data.images.fold import Batch
from ...data.images.turning import Turning
from ...data.texts.erasure import Erasure
from ...errors import UsageError
from ...training.feeding import images_of
from .augmentation import image_changes, text_changes
from .settings import Settings

Batches: TypeAlias = dict[str, Batch]  # by modality
View: TypeAlias = ImageFold | TextFold | FeatureFold
OfTexts: TypeAlias = TextTransformation | FeatureTransformation


class Views:
    """Some views of a fold, batch by batch; only items that have them all are present.

    Args:
        views: images, texts or both, by modality.
    """

    def __init__(self, views: Mapping[str, View]) -> None:
        self.views = views
        self.present: NDArray[np.bool_] = np.logical_and.reduce([view.present for view in views.values()])
        self.ready = all(view.ready for view in views.values())

    def batch(self, rows: Sequence[int], epoch: int = 0) -> Batches:
        """Return inputs, labels and rows of a batch, by modality."""
        return {modality: view.batch(rows, epoch) for modality, view in self.views.items()}


def transformation_of_texts(prepared: PreparedDataset, settings: Settings) -> OfTexts:
    """Return what happens to the texts of a dataset, or to the ready features that it has in their place.

    Raises:
        UsageError: if settings of words are given and there are none.
        DataError: if the dataset has no texts.
    """
    if not has_features(prepared.fold("train"), "text"):
        return TextTransformation.of(prepared, settings.text_weights, settings.captions)
    for name in ("text_weights", "captions", "text_augmentation"):
        if (value := getattr(settings, name)) != getattr(Settings, name):
            raise UsageError(
                f"{settings.flag(name)} {value} is about words, and the texts of {prepared.database} are ready features: leave it out"
            )
    return FeatureTransformation()


def texts_of(
    prepared: PreparedDataset, metadata: Metadata, texts: OfTexts, erasure: Erasure | None = None
) -> TextFold | FeatureFold:  # fmt: skip
    """Return the texts of a fold, or the ready features in their place.

    Args:
        prepared: the dataset.
        metadata: the fold.
        texts: what happens to its texts.
        erasure: what is erased at random, for training; None for nothing.

    Raises:
        DataError: if the fold has no texts, or one of its files cannot be used.
    """
    if isinstance(texts, FeatureTransformation):
        return FeatureFold(metadata, load_features(metadata, "text"))
    return TextFold(metadata, load_texts(prepared, metadata.fold), texts, erasure)


def views_of(prepared: PreparedDataset, fold: str, texts: OfTexts, settings: Settings, *, training: bool = False) -> dict[str, View]:
    """Return the images and the texts of a fold, or the ready features in their place.

    Args:
        prepared: the dataset.
        fold: name of the fold.
        texts: what happens to its texts.
        settings: the run's settings.
        training: whether to learn from them; only then images and texts are augmented.

    Raises:
        DataError: if the fold has no texts, or one of its files cannot be used.
    """
    metadata = prepared.fold(fold)
    turning = Turning(**image_changes(settings.image_augmentation)) if training and settings.image_augmentation else None
    erased = text_changes(settings.text_augmentation) if training else {}
    return {
        "image": images_of(metadata, settings, training=training, change=turning),
        "text": texts_of(prepared, metadata, texts, Erasure(**erased, seed=settings.seed) if erased else None),
    }
