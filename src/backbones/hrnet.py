r"""High-resolution network (HHNet) with its full classification trunk: 2048 features, in every width that timm has.

Reference:
    J. Wang, K. Sun, T. Cheng and others, "Deep high-resolution representation learning for visual recognition", 2020.
"""

from functools import partial

from ._base import BACKBONES
from ._timm import timm_backbone

BACKBONES.register("hrnet")(partial(timm_backbone, "hrnet_w18"))
BACKBONES.register("hrnet_w18_small")(partial(timm_backbone, "hrnet_w18_small"))
BACKBONES.register("hrnet_w18_small_v2")(partial(timm_backbone, "hrnet_w18_small_v2"))
BACKBONES.register("hrnet_w18")(partial(timm_backbone, "hrnet_w18"))
BACKBONES.register("hrnet_w30")(partial(timm_backbone, "hrnet_w30"))
BACKBONES.register("hrnet_w32")(partial(timm_backbone, "hrnet_w32"))
BACKBONES.register("hrnet_w40")(partial(timm_backbone, "hrnet_w40"))
BACKBONES.register("hrnet_w44")(partial(timm_backbone, "hrnet_w44"))
BACKBONES.register("hrnet_w48")(partial(timm_backbone, "hrnet_w48"))
BACKBONES.register("hrnet_w64")(partial(timm_backbone, "hrnet_w64"))
