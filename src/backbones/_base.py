"""What every backbone offers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor, nn

from ..preprocessing import IMAGENET, Preprocessing
from ..registry import Registry

StateDict: TypeAlias = dict[str, Tensor]


@dataclass(frozen=True)
class Backbone:
    """A network without its classification head, and where its ImageNet weights come from.

    Args:
        build: makes the trunk with fresh weights; called without arguments it returns a module that maps images
            (B, 3, H, W) to features (B, D) and carries D as ``num_features``.
        head: names of the classification head's parameters in published checkpoints, as prefixes; they are dropped.
        fetch: returns the published ImageNet state dict, from the local cache or the network; None if there is none.
        source: where ``fetch`` looks, in words, for the message of a machine without network.
        preprocessing: what the published weights want done to an image; also what fits the network where there are none.
    """

    build: Callable[[], nn.Module]
    head: tuple[str, ...] = ()
    fetch: Callable[[], StateDict] | None = None
    source: str = ""
    preprocessing: Preprocessing = IMAGENET


# Entries are made only when called: listing the names should not cost the import of timm.
BACKBONES: Registry[Callable[[], Backbone]] = Registry("backbone")
