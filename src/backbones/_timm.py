"""Trunks and published weights of timm's classifiers."""

from __future__ import annotations

import urllib.request

from torch import nn

from ..errors import unknown_name
from ._base import Backbone, StateDict


def timm_backbone(name: str) -> Backbone:
    """Describe any classifier of timm as a backbone.

    Args:
        name: timm's name of the model, with or without the tag of its weights ("resnet10t", "vit_tiny_patch16_224").

    Raises:
        UnknownNameError: when timm has no such model.

    Example:
        >>> timm_backbone("resnet10t").build().num_features
        512
    """
    import timm

    architecture = name.partition(".")[0]
    if not timm.is_model(architecture):
        raise unknown_name("timm model", architecture, _likely(architecture, timm.list_models()))
    config = timm.get_pretrained_cfg(name) if timm.is_model_pretrained(architecture) else None

    def build() -> nn.Module:
        return timm.create_model(architecture, pretrained=False, num_classes=0)

    def fetch() -> StateDict:
        return _fetch(name)

    if config is None or not config.has_weights:
        return Backbone(build)
    head = config.classifier if isinstance(config.classifier, (tuple, list)) else (config.classifier,)
    source = config.url or f"https://huggingface.co/{config.hf_hub_id}"
    return Backbone(build, tuple(part for part in head if part), fetch, source)


def _fetch(name: str) -> StateDict:
    """Return published weights from the local cache, or else from the hub.

    The hub's client retries for most of a minute on a machine without network, so one short request goes ahead of it.
    """
    import timm
    from huggingface_hub import constants

    def load() -> StateDict:
        return timm.create_model(name, pretrained=True, num_classes=0).state_dict()

    offline = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        return load()
    except (OSError, RuntimeError):
        if offline:
            raise
    finally:
        constants.HF_HUB_OFFLINE = offline
    urllib.request.urlopen(constants.ENDPOINT, timeout=10).close()
    return load()


def _likely(name: str, known: list[str]) -> list[str]:
    """Return the handful of timm's thousand models that share most with a misspelt name."""
    import difflib

    return difflib.get_close_matches(name, known, n=5, cutoff=0.3) or known[:5]
