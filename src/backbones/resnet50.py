r"""ResNet-50 up to its global average: 2048 features.

Reference:
    K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image recognition", 2016.
"""

from functools import partial

from ._base import BACKBONES
from ._torchvision import drop_fc, torchvision_backbone

BACKBONES.register("resnet50")(partial(torchvision_backbone, "resnet50", drop_fc, "fc"))
