"""Backbones: images in, features out; :func:`build_network` puts the hash layer on top."""

from . import alexnet, cnnf, efficientnet_lite0, hrnet, lenet, resnet18, resnet20, resnet34, resnet50, resnet56, vgg16
from ._base import BACKBONES, Backbone
from ._network import HashNetwork, LevelNetwork, build_backbone, build_network, fusion_of, preprocessing_of, weights_choice
from ._standardised import Standardised, build_feature_network

__all__ = [
    "BACKBONES",
    "Backbone",
    "HashNetwork",
    "LevelNetwork",
    "Standardised",
    "alexnet",
    "build_backbone",
    "build_feature_network",
    "build_network",
    "cnnf",
    "efficientnet_lite0",
    "fusion_of",
    "hrnet",
    "lenet",
    "preprocessing_of",
    "resnet18",
    "resnet20",
    "resnet34",
    "resnet50",
    "resnet56",
    "vgg16",
    "weights_choice",
]
