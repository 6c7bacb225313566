"""Trunks and published weights of timm's classifiers."""

from __future__ import annotations

import difflib
import urllib.request
from typing import Any

from torch import nn

from ..errors import unknown_name
from ..preprocessing import Preprocessing
from ._base import Backbone, StateDict


def timm_backbone(name: str) -> Backbone:
    """Describe any classifier of timm as a backbone.

    Args:
        name: timm's name of the model, with or without the tag of its weights ("resnet10t", "vit_tiny_patch16_224").

    Raises:
        UnknownNameError: if timm has no such model, or no weights of that tag for it.

    Example:
        >>> timm_backbone("resnet10t").build().num_features
        512
    """
    import timm

    architecture = name.partition(".")[0]
    if not timm.is_model(architecture):
        raise unknown_name("timm model", architecture, _likely(architecture, timm.list_models()))
    config = _config(name)

    def build() -> nn.Module:
        trunk = timm.create_model(architecture, pretrained=False, num_classes=0)
        trunk.num_features = trunk.head_hidden_size  # some have layers between the features and the classifier
        return trunk

    def fetch() -> StateDict:
        return _fetch(name)

    preprocessing = _preprocessing(config)
    if not config.has_weights:
        return Backbone(build, preprocessing=preprocessing)
    head = config.classifier if isinstance(config.classifier, (tuple, list)) else (config.classifier,)
    source = config.url or f"https://huggingface.co/{config.hf_hub_id}"
    return Backbone(build, tuple(part for part in head if part), fetch, source, preprocessing)


def _config(name: str) -> Any:
    """Return timm's description of the weights of a model: of a tag, of its first one, or of none at all."""
    import timm
    from timm.models import PretrainedCfg, get_arch_pretrained_cfgs

    architecture, _, tag = name.partition(".")
    known = get_arch_pretrained_cfgs(architecture)
    if tag and name not in known:
        raise unknown_name("timm weights", name, known)
    return timm.get_pretrained_cfg(name) or PretrainedCfg(architecture=architecture)


def _preprocessing(config: Any) -> Preprocessing:
    from timm.data import resolve_data_config

    resolved = resolve_data_config(pretrained_cfg=config.to_dict())
    return Preprocessing(
        tuple(resolved["input_size"][1:]), resolved["interpolation"], float(resolved["crop_pct"]), resolved["crop_mode"],
        tuple(map(float, resolved["mean"])), tuple(map(float, resolved["std"])),
        f"as timm describes {'.'.join(filter(None, (config.architecture, config.tag)))}",
    )  # fmt: skip


def _fetch(name: str) -> StateDict:
    """Return published weights from the local cache, or else from the hub.

    The hub's client retries for most of a minute on a machine without network, so one short request comes first.
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
    """Return the five of timm's models whose names are most similar to a misspelt one."""
    return difflib.get_close_matches(name, known, n=5, cutoff=0.3) or known[:5]
