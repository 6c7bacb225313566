"""Preprocessing of a run's images, and loaders of its folds for forward passes."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.data import DataLoader

from ..backbones import preprocessing_of, weights_choice
from ..data import ImageFold, Metadata, TextFold, Transformation, loader, transformation
from ..errors import RunError
from ..preprocessing import Preprocessing
from ..runs import Run
from ..runs.hparams_json import hparams_of, read_hparams
from ..settings import CommonSettings, NetworkSettings


def transformation_of(settings: NetworkSettings) -> Transformation:
    """Return the transformation of a run's images."""
    return transformation(settings.transformations, preprocessing_of(settings.backbone))


def recorded_settings(settings: CommonSettings) -> dict[str, Any]:
    """Return the content of ``hparams.json``: the settings of training and, if there is a network, its full preprocessing."""
    if not isinstance(settings, NetworkSettings):
        return hparams_of(settings)
    return hparams_of(settings) | {"preprocessing": transformation_of(settings).preprocessing.record()}


def check_preprocessing(run: Run, settings: CommonSettings) -> None:
    """Refuse to continue a run if its preprocessing has changed.

    Raises:
        RunError: if ``hparams.json`` records another preprocessing; a run without such a record passes.
    """
    if not isinstance(settings, NetworkSettings):
        return
    record = read_hparams(run.hparams_file).get("preprocessing") if run.hparams_file.exists() else None
    if record is not None and (before := Preprocessing.of_record(record)) != (now := transformation_of(settings).preprocessing):
        raise RunError(
            f"{run} was trained with {before}; now -trf {settings.transformations} means {now.instead_of(before)}: "
            "install the release of timm that it was trained with, or train it again with -no_skip"
        )


def preprocessing_line(settings: NetworkSettings) -> str:
    """Return one line: the preprocessing, its source, and what the pretrained weights require if that differs.

    Example:
        >>> preprocessing_line(NetworkSettings(architecture="vgg16")).partition(", crop")[0]
        'preprocessing (-trf imagenet): 224×224 pixels, bilinear'
    """
    applied, required = transformation_of(settings).preprocessing, preprocessing_of(settings.backbone)
    line = f"preprocessing (-trf {settings.transformations}): {applied}"
    if applied == required or weights_choice(settings.backbone, settings.weights) == "none":
        return line  # random weights require nothing
    return f"{line}; the weights require {required.instead_of(applied)}, {required.source}: -trf weights applies it"


def images_of(fold: Metadata, settings: NetworkSettings, *, training: bool = False) -> ImageFold:
    """Return the images of a fold, decoded once if ``-cache`` includes it.

    Args:
        fold: its metadata.
        settings: the run's settings.
        training: whether to train on them; only then they are augmented.
    """
    cached = settings.cache == "all" or (settings.cache == "train" and fold.fold != "database")
    return ImageFold(fold, transformation_of(settings), cache=cached, augment=settings.seed if training else None)


def batches_of(items: ImageFold | TextFold, settings: CommonSettings, device: torch.device) -> DataLoader:
    """Return a loader of all images, or all texts, in their own order, for forward passes on a device."""
    return loader(
        items,
        batch_size=settings.predict_batch_size,
        num_workers=settings.num_workers,
        seed=settings.seed,
        pin_memory=device.type == "cuda",
    )
