r"""ResNet-18 up to its global average: 512 features.

Reference:
    K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image recognition", 2016.
"""

from functools import partial

from ._base import BACKBONES
from ._torchvision import drop_fc, torchvision_backbone

BACKBONES.register("resnet18")(partial(torchvision_backbone, "resnet18", drop_fc, "fc"))
