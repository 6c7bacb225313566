r"""ResNet-56 for images of 32×32 pixels, up to its global average: 64 features, 0.85 million parameters.

Reference:
    K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image recognition", 2016, section 4.2.
"""

from functools import partial

from ._base import BACKBONES
from ._cifar_resnet import cifar_resnet

BACKBONES.register("resnet56")(partial(cifar_resnet, 9))
