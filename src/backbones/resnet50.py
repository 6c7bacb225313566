r"""ResNet-50 up to its global average: 2048 features.

Reference:
    K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image recognition", 2016.
"""

from functools import partial

from torchvision.models.resnet import Bottleneck

from ._base import BACKBONES
from ._resnet import resnet_backbone

BACKBONES.register("resnet50")(partial(resnet_backbone, "resnet50", Bottleneck, (3, 4, 6, 3)))
