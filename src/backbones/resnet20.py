r"""ResNet-20 for images of 32×32 pixels, up to its global average: 64 features, 0.27 million parameters.

Reference:
    K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image recognition", 2016, section 4.2.
"""

from functools import partial

from ._base import BACKBONES
from ._cifar_resnet import cifar_resnet

BACKBONES.register("resnet20")(partial(cifar_resnet, 3))
