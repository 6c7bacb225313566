"""Preprocessing of a run's images, and loaders of its folds for forward passes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from ..backbones import HashNetwork, build_feature_network, build_network, preprocessing_of, weights_choice
from ..data import (
    FeatureFold,
    FeatureTransformation,
    ImageFold,
    Metadata,
    PreparedDataset,
    TextFold,
    Transformation,
    has_features,
    load_features,
    loader,
    transformation,
)
from ..data.features.rows import statistics_of
from ..data.images.colours import colours_of
from ..data.images.turning import Turning
from ..errors import RunError, UsageError
from ..preprocessing import Preprocessing, name_and_side
from ..runs import Run
from ..runs.hparams_json import hparams_of, read_hparams
from ..settings import CommonSettings, NetworkSettings
from ..surroundings import has_terminal


def transformation_of(settings: NetworkSettings) -> Transformation:
    """Return the transformation of a run's images."""
    if settings.transformations == "dataset":
        return Transformation(colours_of(PreparedDataset(settings.database).fold("train")))
    return transformation(settings.transformations, preprocessing_of(settings.backbone))


def input_of(settings: NetworkSettings) -> Transformation | FeatureTransformation:
    """Return what happens on the device to a run's images, or to its ready features."""
    return FeatureTransformation() if settings.takes_features else transformation_of(settings)


def recorded_settings(settings: CommonSettings) -> dict[str, Any]:
    """Return the content of ``hparams.json``: the settings of training and, if a network takes images, its full preprocessing."""
    recorded = hparams_of(settings) | settings.facts()
    if not isinstance(settings, NetworkSettings) or settings.takes_features:
        return recorded
    return recorded | {"preprocessing": transformation_of(settings).preprocessing.record()}


def check_preprocessing(run: Run, settings: CommonSettings) -> None:
    """Refuse to continue a run if its preprocessing has changed.

    Raises:
        RunError: if ``hparams.json`` records another preprocessing; a run without such a record passes.
    """
    if not isinstance(settings, NetworkSettings) or settings.takes_features:
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
    if settings.takes_features:
        done = "as they are" if settings.transformations == "none" else "standardised by mean and deviation of each column of train"
        return f"ready features (-trf {settings.transformations}): {done}"
    applied, required = transformation_of(settings).preprocessing, preprocessing_of(settings.backbone)
    line = f"preprocessing (-trf {settings.transformations}): {applied}"
    other_size = name_and_side(settings.transformations)[1] is not None
    if other_size or applied == required or weights_choice(settings.backbone, settings.weights) == "none":
        return line  # random weights require nothing
    return f"{line}; the weights require {required.instead_of(applied)}, {required.source}: -trf weights applies it"


def images_of(
    fold: Metadata, settings: NetworkSettings, *, training: bool = False, cached: bool | None = None, change: Turning | None = None
) -> ImageFold | FeatureFold:  # fmt: skip
    """Return the images of a fold, or the ready features that it has in their place.

    Args:
        fold: its metadata.
        settings: the run's settings.
        training: whether to train on them; only then images are augmented.
        cached: whether images are decoded once and kept; None for what ``-cache`` says.
        change: what is done to training images after their transformation; None for nothing.

    Raises:
        UsageError: if the backbone takes images and the fold has ready features, or the other way round.
        DataError: if the features cannot be used.
    """
    database, arch = fold.file.parent.name, f"{settings.flag('architecture')} {settings.architecture}"
    if has_features(fold):
        if not settings.takes_features:
            raise UsageError(f"{database} has ready features, and {arch} takes images: write -arch linear or -arch mlp:512")
        return FeatureFold(fold, load_features(fold))
    if settings.takes_features:
        raise UsageError(f"{database} has images, and {arch} takes ready features: choose a backbone for images, as -arch lenet")
    if cached is None:
        cached = settings.cache == "all" or (settings.cache == "train" and fold.fold != "database")
    applied = replace(transformation_of(settings), change=change)
    return ImageFold(fold, applied, cache=cached, augment=settings.seed if training else None)


def network_for(
    items: ImageFold | FeatureFold, settings: NetworkSettings, *, weights: str = "none", fusion: int | None = None
) -> HashNetwork:  # fmt: skip
    """Build the network of a run: for images with weights, for ready features with their statistics.

    Args:
        items: the train fold.
        settings: name the backbone and the number of bits, and say whether features are standardised.
        weights: of a backbone for images; see :func:`~biodeephashing.backbones.build_backbone`.
        fusion: number of stages whose codes are fused, counted from the last, 0 for all; None for none.

    Raises:
        UsageError: for weights, something behind the backbone's colon, or stages that cannot be.
    """
    if isinstance(items, ImageFold):
        return build_network(settings.backbone, bits=settings.number_of_bits, weights=weights, fusion=fusion)
    if settings.transformations == "none":
        mean, deviation = torch.zeros(items.values.shape[1]), torch.ones(items.values.shape[1])
    else:
        mean, deviation = map(torch.from_numpy, statistics_of(items.values))
    return build_feature_network(settings.backbone, mean=mean, deviation=deviation, bits=settings.number_of_bits, fusion=fusion)


def backbone_features(
    backbone: nn.Module, items: ImageFold | FeatureFold, settings: CommonSettings, *, dtype: torch.dtype, quiet: bool = False
) -> Tensor:
    """Return what a backbone, in evaluation and on its device, makes of all items of a fold, (n, D) on the CPU by dataset index.

    Items without an image, which are never trained on, have zeros.

    Args:
        backbone: the backbone.
        items: the fold.
        settings: the run's settings.
        dtype: of the backbone's input.
        quiet: show no progress.
    """
    device, features = next(backbone.parameters()).device, torch.empty(0)
    bar = tqdm(batches_of(items, settings, device), desc="features", unit="batch", disable=quiet or not has_terminal(), leave=False)
    with torch.inference_mode():
        for batch, _, rows in bar:
            part = backbone(items.transformation.to_network_input(batch.to(device, non_blocking=True)).to(dtype)).cpu()
            features = features if len(features) else torch.zeros(len(items), part.shape[1], dtype=part.dtype)
            features[rows] = part
    return features


def batches_of(items: ImageFold | TextFold | FeatureFold, settings: CommonSettings, device: torch.device) -> DataLoader:
    """Return a loader of all images, texts or features, in their own order, for forward passes on a device."""
    return loader(
        items,
        batch_size=settings.predict_batch_size,
        num_workers=settings.num_workers,
        seed=settings.seed,
        pin_memory=device.type == "cuda",
    )
