"""From a name to a network: backbone, weights and hash layer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from ..errors import BioDeepHashingError, UsageError
from ..preprocessing import Preprocessing
from ._base import BACKBONES, Backbone, StateDict
from ._stages import FusedHashLayer, Staged, fused_hash_layer
from ._timm import timm_backbone
from ._weights_file import read_weights


class HashNetwork(nn.Module):
    r"""A backbone with the hash layer on top: images in, raw code values out.

    .. math:: F = W\,\mathrm{backbone}(x) + b, \qquad W_{kd} \sim N(0, 0.01^2),\; b = 0

    Args:
        backbone: maps images to features and carries their number as ``num_features``.
        bits: length of a code.

    Example:
        >>> import torch
        >>> network = build_network("lenet", bits=16)
        >>> network(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 16])
    """

    hash_layer: nn.Linear | FusedHashLayer

    def __init__(self, backbone: nn.Module, bits: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.hash_layer = nn.Linear(int(backbone.num_features), bits)  # type: ignore[arg-type]
        nn.init.normal_(self.hash_layer.weight, std=0.01)
        nn.init.zeros_(self.hash_layer.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (B, 3, H, W) to raw code values (B, bits)."""
        codes: Tensor = self.hash_layer(self.backbone(images))
        return codes


class LevelNetwork(HashNetwork):
    r"""A backbone of several stages with a fused hash layer: while it learns, it gives the codes of each stage and the fused ones.

    Args:
        backbone: gives the features of its stages.
        hash_layer: fuses the last of them, as many as it has heads.

    Example:
        >>> import torch
        >>> network = build_network("lenet", bits=16, fusion=2)
        >>> network(torch.zeros(2, 3, 32, 32)).unflatten(1, (-1, 16)).shape, network.eval()(torch.zeros(2, 3, 32, 32)).shape
        (torch.Size([2, 3, 16]), torch.Size([2, 16]))
    """

    backbone: Staged
    hash_layer: FusedHashLayer

    def __init__(self, backbone: Staged, hash_layer: FusedHashLayer) -> None:
        nn.Module.__init__(self)
        self.backbone = backbone
        self.hash_layer = hash_layer

    def forward(self, images: Tensor) -> Tensor:
        """Map images (B, 3, H, W) to raw code values, fused: (B, bits); in training mode to those of all levels, one row an image.

        A row, (levels · bits), ends with the fused code: rules that send a network's error down take one row for each image.
        """
        levels: Tensor = self.hash_layer(self.backbone.stages(images)[-len(self.hash_layer.heads) :])
        return levels.flatten(1) if self.training else levels[:, -1]


def hash_network(backbone: nn.Module, name: str, *, bits: int, fusion: int | None = None) -> HashNetwork:
    """Return a backbone with a new hash layer on top.

    Args:
        backbone: the backbone.
        name: what it is called, for messages.
        bits: length of a code.
        fusion: number of stages, counted from the last, whose codes are fused to the code, 0 for all; None for a hash layer that
            takes the features of the backbone alone.

    Raises:
        UsageError: if the backbone does not give the features of as many stages.
    """
    if fusion is None:
        return HashNetwork(backbone, bits)
    return LevelNetwork(*fused_hash_layer(backbone, name, bits=bits, fusion=fusion))


def build_network(name: str, *, bits: int, weights: str = "none", fusion: int | None = None) -> HashNetwork:
    """Build a backbone with a new hash layer on top.

    Args:
        name: a name in :data:`BACKBONES`, or ``timm:NAME``.
        bits: length of a code.
        weights: see :func:`build_backbone`.
        fusion: see :func:`hash_network`.
    """
    return hash_network(build_backbone(name, weights=weights), name, bits=bits, fusion=fusion)


def fusion_of(state: Mapping[str, Tensor]) -> int | None:
    """Return the number of stages whose codes the network of a state dict fuses; None where it has no such hash layer.

    Example:
        >>> fusion_of(build_network("lenet", bits=16, fusion=2).state_dict()), fusion_of(build_network("lenet", bits=16).state_dict())
        (2, None)
    """
    attention = state.get("hash_layer.attention")
    return None if attention is None else len(attention)


def build_backbone(name: str, *, weights: str = "none") -> nn.Module:
    """Build a backbone with the requested weights.

    Args:
        name: a name in :data:`BACKBONES`, or ``timm:NAME`` for any classifier of timm.
        weights: "none" for fresh ones, "imagenet" for the published ones, "auto" for the published ones where there
            are any, or the path of a checkpoint of the same classifier: its state dict, plain or within what a training wrote.

    Raises:
        UnknownNameError: for a name that is not known.
        UsageError: for weights that do not exist or do not fit.
        BioDeepHashingError: if published weights are not on disk and cannot be fetched.

    Example:
        >>> build_backbone("resnet18").num_features
        512
    """
    backbone = _entry(name)
    trunk = backbone.build()
    choice = weights_choice(name, weights)
    if choice == "imagenet":
        _load(trunk, backbone, _published(name, backbone), f"the ImageNet weights of {name}")
    elif choice != "none":
        _load(trunk, backbone, read_weights(Path(choice), trunk.state_dict()), choice)
    return trunk


def preprocessing_of(name: str) -> Preprocessing:
    """Return the preprocessing that a backbone's pretrained weights require; without any, the usual one for ImageNet.

    Args:
        name: a name in :data:`BACKBONES`, or ``timm:NAME``.

    Raises:
        UnknownNameError: for a name that is not known.

    Example:
        >>> print(preprocessing_of("timm:tf_efficientnet_lite0"))
        224×224 pixels, bicubic, crop 0.875, mean 0.5 0.5 0.5, deviation 0.5 0.5 0.5, as timm describes tf_efficientnet_lite0.in1k
    """
    return _entry(name).preprocessing


def weights_choice(name: str, weights: str) -> str:
    """Return what "auto" means for a backbone, and any other choice as it is.

    Example:
        >>> weights_choice("lenet", "auto"), weights_choice("vgg16", "auto")
        ('none', 'imagenet')
    """
    if weights != "auto":
        return weights
    return "imagenet" if _entry(name).fetch else "none"


def _entry(name: str) -> Backbone:
    return timm_backbone(name.removeprefix("timm:")) if name.startswith("timm:") else BACKBONES[name]()


def _published(name: str, backbone: Backbone) -> StateDict:
    if backbone.fetch is None:
        raise UsageError(f"there are no ImageNet weights for {name}: use -weights none or -weights FILE")
    try:
        return backbone.fetch()
    except (OSError, RuntimeError) as error:  # no network, a broken download, a checksum that does not match
        raise BioDeepHashingError(
            f"the ImageNet weights of {name} are not on this machine and could not be fetched "
            f"({str(error).strip().splitlines()[0]}). Fetch them where there is a network ({backbone.source}), "
            f"or name a file with -weights FILE, or start from random weights with -weights none."
        ) from error


def _load(trunk: nn.Module, backbone: Backbone, state: StateDict, source: str) -> None:
    without_head = {key: value for key, value in state.items() if not key.startswith(tuple(f"{part}." for part in backbone.head))}
    own = trunk.state_dict()
    missing, foreign = sorted(own.keys() - without_head.keys()), sorted(without_head.keys() - own.keys())
    shapes = [key for key in own.keys() & without_head.keys() if own[key].shape != without_head[key].shape]
    for names, words in ((missing, "lacks"), (foreign, "has besides"), (sorted(shapes), "has in another shape")):
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            raise UsageError(f"{source} does not fit this backbone: it {words} {', '.join(names[:3])}{more}")
    trunk.load_state_dict(without_head)
