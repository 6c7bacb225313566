"""CNN-F: the sizes that its description gives, and weights in the files of MatConvNet."""

import numpy as np
import pytest
import torch
from scipy.io import savemat

from biodeephashing.backbones import BACKBONES, Backbone, build_backbone, build_network
from biodeephashing.errors import UsageError
from biodeephashing.preprocessing import IMAGENET


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


class Small(torch.nn.Module):
    """Two convolutions of which files can be written in no time."""

    num_features = 2

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Conv2d(3, 4, (3, 2)), torch.nn.ReLU(), torch.nn.Conv2d(4, 2, 1))

    def forward(self, images):
        return self.layers(images).mean(dim=(2, 3))


def written(path, older):
    """Write such a file with random weights and a classifier behind, and return the weights, (H, W, in, out), and the mean image."""
    generator = np.random.default_rng(0)
    shapes = [(3, 2, 3, 4), (1, 1, 4, 2), (1, 1, 2, 5)]
    pairs = [(generator.normal(size=shape).astype(np.float32), generator.normal(size=(1, shape[3])).astype(np.float32)) for shape in shapes]
    layers = np.empty((1, 5), object)
    for place, pair in zip((0, 2, 4), pairs, strict=True):
        held = np.empty((1, 2), object)
        held[0, 0], held[0, 1] = pair
        names = {"filters": pair[0], "biases": pair[1]} if older else {"weights": held}
        layers[0, place] = {"type": "conv", "name": f"conv{place}", **names}
    for place in (1, 3):
        layers[0, place] = {"type": "relu", "name": f"relu{place}"}
    average = np.tile(np.array([120.0, 115.0, 100.0], np.float32), (5, 4, 1))
    normalization = {"averageImage": average, "imageSize": np.array([5.0, 4.0, 3.0])}
    savemat(path, {"layers": layers, **({"normalization": normalization} if older else {"meta": {"normalization": normalization}})})
    return pairs, average


@pytest.mark.parametrize("older", [False, True])
def test_weights_of_matconvnet_give_its_network_for_images_as_usual(tmp_path, monkeypatch, older):
    monkeypatch.setitem(BACKBONES._entries, "small", lambda: Backbone(Small))
    pairs, average = written(tmp_path / "small.mat", older)
    network = build_backbone("small", weights=str(tmp_path / "small.mat"))
    pixels = np.random.default_rng(1).integers(256, size=(5, 4, 3)).astype(np.float64)
    (first, first_bias), (second, second_bias), _ = pairs
    maps = np.empty((3, 3, 4))
    for row in range(3):
        for column in range(3):
            window = (pixels - average)[row : row + 3, column : column + 2]
            maps[row, column] = [max(0, (window * first[..., unit]).sum() + first_bias[0, unit]) for unit in range(4)]
    expected = (maps @ second[0, 0] + second_bias[0]).mean(axis=(0, 1))
    shown = (pixels / 255 - np.array(IMAGENET.mean)) / np.array(IMAGENET.std)
    found = network(torch.from_numpy(shown).float().permute(2, 0, 1)[None])
    np.testing.assert_allclose(found[0].detach().numpy(), expected, rtol=1e-4)


def test_other_mat_files_are_refused(tmp_path):
    written(tmp_path / "other.mat", older=False)
    with pytest.raises(UsageError, match="does not fit this backbone"):
        build_backbone("lenet", weights=str(tmp_path / "other.mat"))
    savemat(tmp_path / "codes.mat", {"codes": np.zeros((2, 3))})
    for name, content in (("codes.mat", None), ("cut.mat", b"MATLAB 5.0")):
        if content:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(UsageError, match="cannot be read as a MatConvNet checkpoint"):
            build_backbone("lenet", weights=str(tmp_path / name))
