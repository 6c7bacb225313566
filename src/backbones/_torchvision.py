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
        >>> BACKBONES["resnet18"]().build().num_features
        512
    """
    weights = models.get_model_weights(name).DEFAULT
    if name.startswith("resnet"):
        weights = models.get_model_weights(name)["IMAGENET1K_V1"]  # the weights that published hashing results start from

    def build() -> nn.Module:
        trunk = models.get_model(name, weights=None)
        trunk.num_features = trim(trunk)
        return trunk

    def fetch() -> StateDict:
        return weights.get_state_dict(progress=True, check_hash=True)

    target = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    return Backbone(build, (head,), fetch, f"{weights.url}, to be put at {target}")


def drop_last_classifier_layer(trunk: nn.Module) -> int:
    """Remove the last layer of a ``classifier`` sequence (AlexNet, VGG) and return the width that remains."""
    classifier = cast("nn.Sequential", trunk.classifier)
    trunk.classifier = classifier[:-1]
    return cast("nn.Linear", classifier[-1]).in_features


def drop_fc(trunk: nn.Module) -> int:
    """Replace ``fc`` (ResNet) by the identity and return the width that remains."""
    features = cast("nn.Linear", trunk.fc).in_features
    trunk.fc = nn.Identity()
    return features
