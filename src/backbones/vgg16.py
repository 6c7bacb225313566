r"""VGG-16 up to its second fully connected layer: 4096 features.

Reference:
    K. Simonyan, A. Zisserman, "Very deep convolutional networks for large-scale image recognition", 2015.
"""

from functools import partial

from ._base import BACKBONES
from ._torchvision import drop_last_classifier_layer, torchvision_backbone

BACKBONES.register("vgg16")(partial(torchvision_backbone, "vgg16", drop_last_classifier_layer, "classifier.6"))
