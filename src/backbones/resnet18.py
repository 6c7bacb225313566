r"""ResNet-18 up to its global average: 512 features.

Reference:
    K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image recognition", 2016.
"""

from functools import partial

from torchvision.models.resnet import BasicBlock

from ._base import BACKBONES
from ._resnet import resnet_backbone

BACKBONES.register("resnet18")(partial(resnet_backbone, "resnet18", BasicBlock, (2, 2, 2, 2)))
