r"""AlexNet up to its second fully connected layer: 4096 features.

Reference:
    A. Krizhevsky, I. Sutskever, G. E. Hinton, "ImageNet classification with deep convolutional neural networks", 2012.
"""

from functools import partial

from ._base import BACKBONES
from ._torchvision import drop_last_classifier_layer, torchvision_backbone

BACKBONES.register("alexnet")(partial(torchvision_backbone, "alexnet", drop_last_classifier_layer, "classifier.6"))
