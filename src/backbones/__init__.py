"""Backbones: images in, features out; :func:`build_network` puts the hash layer on top."""

from . import alexnet, hrnet, lenet, resnet18, resnet20, resnet50, resnet56, vgg16
from ._base import BACKBONES, Backbone
from ._network import HashNetwork, build_backbone, build_network, preprocessing_of, weights_choice
from ._standardised import Standardised, build_feature_network

__all__ = [
    "BACKBONES",
    "Backbone",
    "HashNetwork",
    "Standardised",
    "alexnet",
    "build_backbone",
    "build_feature_network",
    "build_network",
    "hrnet",
    "lenet",
    "preprocessing_of",
    "resnet18",
    "resnet20",
    "resnet50",
    "resnet56",
    "vgg16",
    "weights_choice",
]
