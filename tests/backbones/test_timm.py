"""Networks of timm: the width that comes out, what their weights want, and names that timm does not have."""

import pytest
import torch
from torch.nn import functional

from biodeephashing.backbones import build_backbone, build_network, preprocessing_of
from biodeephashing.bio import apply_rule, check_reach
from biodeephashing.errors import UnknownNameError
from biodeephashing.preprocessing import IMAGENET, Preprocessing

# One small model of each kind; beyond the pooled features some have a layer before the classifier.
KINDS = {
    "test_resnet": 96, "test_vit": 64, "test_vit2": 64, "test_efficientnet": 256, "test_byobnet": 256, "test_convnext": 64,
    "test_mambaout": 256, "test_maxvit": 128, "test_coatnet": 128, "mobilenetv3_small_050": 1024, "test_efficientnet_gn": 256,
}  # fmt: skip


def test_every_kind_gives_the_width_it_promises_and_learns() -> None:
    for name, width in KINDS.items():
        torch.manual_seed(0)
        network, size = build_network(f"timm:{name}", bits=8), preprocessing_of(f"timm:{name}").size
        images = torch.randn(2, 3, *size)
        assert network.backbone.num_features == network.hash_layer.in_features == width, name
        apply_rule(network, "fa", scale="weight")
        check_reach(network.eval(), images[:1])
        functional.mse_loss(network.train()(images), torch.ones(2, 8)).backward()
        assert all(weight.grad is None or torch.isfinite(weight.grad).all() for weight in network.parameters()), name


def test_layers_before_the_classifier_count() -> None:
    with torch.device("meta"):
        for name, width in {"vgg11": 4096, "resnet50_mlp": 1024, "hrnet_w18_small": 2048}.items():
            network = build_backbone(f"timm:{name}")
            assert network.eval()(torch.zeros(1, 3, 224, 224)).shape == (1, width), name
            assert network.num_features == width, name


def test_what_weights_want_is_what_timm_describes() -> None:
    half = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
    expected = {
        "tf_efficientnet_lite0": Preprocessing((224, 224), "bicubic", **half),
        "vit_tiny_patch16_384": Preprocessing((384, 384), "bicubic", 1.0, **half),
        "mobilevit_s": Preprocessing((256, 256), "bicubic", 0.9, mean=(0.0,) * 3, std=(1.0,) * 3),
        "resnet18.tv_in1k": IMAGENET,
        "resnet18.a1_in1k": Preprocessing((224, 224), "bicubic", 0.95),
        "mixer_s16_224": Preprocessing((224, 224), "bicubic", **half),  # there are no weights of it
    }
    for name, wanted in expected.items():
        assert preprocessing_of(f"timm:{name}") == wanted, name
    assert preprocessing_of("vgg16") == preprocessing_of("alexnet") == preprocessing_of("resnet50") == preprocessing_of("lenet") == IMAGENET
    assert preprocessing_of("timm:resnet18.tv_in1k").source == "as timm describes resnet18.tv_in1k"


@pytest.mark.parametrize("ask", [build_backbone, preprocessing_of])
def test_an_unknown_tag_names_those_that_timm_has(ask) -> None:
    with pytest.raises(UnknownNameError, match=r"resnet10t\.nope.*Known: resnet10t\.c3_in1k"):
        ask("timm:resnet10t.nope")
