"""Every backbone: what comes out, what is kept, where weights come from, and what is said when they do not."""

import urllib.error

import pytest
import torch
from torchvision import models

from biodeephashing.backbones import BACKBONES, HashNetwork, build_backbone, build_network, weights_choice
from biodeephashing.errors import BioDeepHashingError, UnknownNameError, UsageError

FEATURES = {
    "lenet": 500, "alexnet": 4096, "cnnf": 4096, "efficientnet_lite0": 1280, "vgg16": 4096, "resnet18": 512, "resnet20": 64,
    "resnet34": 512, "resnet50": 2048, "resnet56": 64,
}  # fmt: skip
SMALL = ("lenet", "resnet18", "resnet20", "hrnet_w18_small", "timm:resnet10t")


@pytest.mark.parametrize("name", [name for name in BACKBONES if name not in ("hrnet_w40", "hrnet_w44", "hrnet_w48", "hrnet_w64")])
def test_features_have_the_promised_width(name):
    with torch.device("meta"):  # shapes only: VGG-16 alone would take half a gigabyte
        network = BACKBONES[name]().build()
        features = network(torch.zeros(2, 3, 224, 224))
    assert features.shape == (2, FEATURES.get(name, 2048))
    assert network.num_features == features.shape[1]


def test_wider_hrnets_are_wider():
    with torch.device("meta"):
        counts = [sum(p.numel() for p in BACKBONES[f"hrnet_w{width}"]().build().parameters()) for width in (18, 30, 32, 40, 44, 48, 64)]
    assert counts == sorted(set(counts))


@pytest.mark.parametrize("name", SMALL)
def test_every_parameter_is_used(name):
    network = build_network(name, bits=8)
    network(torch.randn(2, 3, 64, 64)).square().sum().backward()
    unused = [key for key, parameter in network.named_parameters() if parameter.grad is None]
    assert unused == []


def test_alexnet_and_vgg_keep_no_classification_head():
    with torch.device("meta"):
        sizes = {name: sum(p.numel() for p in BACKBONES[name]().build().parameters()) for name in ("alexnet", "vgg16")}
        heads = dict.fromkeys(sizes, 4096 * 1000 + 1000)
        whole = {name: sum(p.numel() for p in models.get_model(name).parameters()) for name in sizes}
    assert sizes == {name: whole[name] - heads[name] for name in sizes}


def test_hash_layer_is_drawn_as_stated():
    torch.manual_seed(0)
    network = HashNetwork(BACKBONES["lenet"]().build(), bits=64)
    weight = network.hash_layer.weight
    assert weight.shape == (64, 500)
    assert abs(weight.std().item() - 0.01) < 0.0005  # standard error 0.01 / sqrt(2 * 32000) = 4e-5
    assert abs(weight.mean().item()) < 0.0005
    assert network.hash_layer.bias.abs().max() == 0


def test_lenet_takes_other_sizes_but_pools_plainly_at_32():
    trunk = BACKBONES["lenet"]().build().eval()
    images = torch.randn(2, 3, 32, 32)
    features = trunk.features[:5](images)
    plain = torch.nn.functional.max_pool2d(features, 2)
    assert torch.equal(trunk(images), trunk.classifier(plain.flatten(1)))
    assert trunk(torch.randn(1, 3, 224, 224)).shape == (1, 500)


def test_auto_means_published_weights_where_there_are_any():
    assert weights_choice("lenet", "auto") == "none"
    assert weights_choice("resnet20", "auto") == weights_choice("resnet56", "auto") == "none"
    assert weights_choice("resnet18", "auto") == "imagenet"
    assert weights_choice("hrnet", "auto") == "imagenet"
    assert weights_choice("vgg16", "none") == "none"


def test_a_plain_checkpoint_loads_without_its_head(tmp_path):
    published = models.resnet18(weights=None)
    path = tmp_path / "resnet18.pth"
    torch.save(published.state_dict(), path)
    trunk = build_backbone("resnet18", weights=str(path))
    for key, value in trunk.state_dict().items():
        assert torch.equal(value, published.state_dict()[key]), key


def test_a_safetensors_checkpoint_of_timm_loads(tmp_path):
    import timm
    from safetensors.torch import save_file

    published = timm.create_model("resnet10t", pretrained=False)
    path = tmp_path / "model.safetensors"
    save_file(published.state_dict(), path)
    trunk = build_backbone("timm:resnet10t", weights=str(path))
    assert torch.equal(trunk.layer1[0].conv1.weight, published.layer1[0].conv1.weight)


def test_the_checkpoint_of_a_run_gives_its_backbone(tmp_path):
    network = build_network("lenet", bits=8)
    torch.save({"network": network.state_dict(), "epoch": 3}, tmp_path / "best-epoch=3.ckpt")
    trunk = build_backbone("lenet", weights=str(tmp_path / "best-epoch=3.ckpt"))
    assert torch.equal(trunk.classifier[0].weight, network.backbone.classifier[0].weight)


def test_imagenet_weights_come_from_the_local_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    published = models.resnet18(weights=None)
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    torch.save(published.state_dict(), tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth")
    trunk = build_backbone("resnet18", weights="imagenet")
    assert torch.equal(trunk.conv1.weight, published.conv1.weight)


def test_no_network_is_said_with_what_to_do(tmp_path, monkeypatch):
    def offline(*args, **kwargs):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr("urllib.request.urlopen", offline)
    monkeypatch.setattr("torch.hub.urlopen", offline)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(BioDeepHashingError, match=r"resnet18.*could not be fetched.*-weights FILE.*-weights none"):
        build_backbone("resnet18", weights="imagenet")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(BioDeepHashingError, match=r"hrnet.*could not be fetched.*huggingface.*-weights FILE"):
        build_backbone("hrnet", weights="imagenet")


def test_bad_weights_are_refused(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        build_backbone("lenet", weights=str(tmp_path / "absent.pth"))
    (tmp_path / "cut.pth").write_bytes(b"PK\x03\x04 not the rest")
    with pytest.raises(UsageError, match="truncated"):
        build_backbone("lenet", weights=str(tmp_path / "cut.pth"))
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(UsageError, match="state dict"):
        build_backbone("lenet", weights=str(tmp_path / "list.pth"))
    torch.save(models.resnet18(weights=None).state_dict(), tmp_path / "other.pth")
    with pytest.raises(UsageError, match="does not fit"):
        build_backbone("lenet", weights=str(tmp_path / "other.pth"))
    with pytest.raises(UsageError, match="no ImageNet weights for lenet"):
        build_backbone("lenet", weights="imagenet")


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    torch.save({"weight": Bomb()}, tmp_path / "bomb.pth")
    with pytest.raises(UsageError):
        build_backbone("lenet", weights=str(tmp_path / "bomb.pth"))
    assert not (tmp_path / "ran").exists()


def test_misspelt_names_propose_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'alexnet'"):
        build_backbone("alexnett")
    with pytest.raises(UnknownNameError, match="did you mean 'resnet10t'"):
        build_backbone("timm:resnet10x")
