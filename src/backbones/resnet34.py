r"""ResNet-34 up to its global average: 512 features.

Reference:
    K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image recognition", 2016.
"""

from functools import partial

from torchvision.models.resnet import BasicBlock

from ._base import BACKBONES
from ._resnet import resnet_backbone

BACKBONES.register("resnet34")(partial(resnet_backbone, "resnet34", BasicBlock, (3, 4, 6, 3)))
