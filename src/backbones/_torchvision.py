"""Trunks and published weights of torchvision's classifiers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import torch
from torch import nn
from torchvision import models

from ._base import Backbone, StateDict


def torchvision_backbone(name: str, trim: Callable[[nn.Module], int], head: str) -> Backbone:
    """Describe a torchvision classifier as a backbone.

    Args:
        name: torchvision's name of the model.
        trim: removes the classification head in place and returns the number of features that come out.
        head: prefix of the head's parameters in published checkpoints.

    Example:
        >>> from biodeephashing.backbones import BACKBONES
        >>> BACKBONES["alexnet"]().build().num_features
        4096
    """

    def build() -> nn.Module:
        trunk = models.get_model(name, weights=None)
        trunk.num_features = trim(trunk)
        return trunk

    return Backbone(build, (head,), *published(name))


def published(name: str, version: str = "DEFAULT") -> tuple[Callable[[], StateDict], str]:
    """Return what fetches the published ImageNet weights of a torchvision classifier, and where from, in words.

    Args:
        name: torchvision's name of the model.
        version: torchvision's name of the weights.
    """
    weights = models.get_model_weights(name)[version]

    def fetch() -> StateDict:
        return weights.get_state_dict(progress=True, check_hash=True)

    target = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    return fetch, f"{weights.url}, to be put at {target}"


def drop_last_classifier_layer(trunk: nn.Module) -> int:
    """Remove the last layer of a ``classifier`` sequence (AlexNet, VGG) and return the width that remains."""
    classifier = cast("nn.Sequential", trunk.classifier)
    trunk.classifier = classifier[:-1]
    return cast("nn.Linear", classifier[-1]).in_features
