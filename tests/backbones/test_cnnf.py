"""CNN-F: the sizes that its description gives."""

import torch

from biodeephashing.backbones import BACKBONES, build_network


def test_feature_maps_have_the_published_sizes():
    with torch.device("meta"):
        network = BACKBONES["cnnf"]().build()
        x, shapes = torch.zeros(2, 3, 224, 224), []
        for layer in [*network.features, *network.classifier]:
            x = layer(x)
            if isinstance(layer, torch.nn.Conv2d | torch.nn.MaxPool2d):
                shapes.append(tuple(x.shape[1:]))
    assert shapes == [
        (64, 54, 54), (64, 27, 27), (256, 27, 27), (256, 13, 13), (256, 13, 13), (256, 13, 13), (256, 13, 13), (256, 6, 6),
        (4096, 1, 1), (4096, 1, 1),
    ]  # fmt: skip


def test_one_image_keeps_its_axis_and_the_first_pooling_looks_over_the_edge():
    network = build_network("cnnf", bits=12).eval()
    with torch.inference_mode():
        assert network(torch.randn(1, 3, 224, 224)).shape == (1, 12)
        pad, pool = network.backbone.features[3:5]
        x = torch.zeros(1, 1, 54, 54)
        x[0, 0, 53, 53] = 1
        assert pool(pad(x))[0, 0, 26, 26] == 1
