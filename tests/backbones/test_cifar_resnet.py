"""ResNet-20 and ResNet-56: the network of the paper, and every learning rule on it."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from biodeephashing.backbones import BACKBONES, build_backbone, build_network
from biodeephashing.backbones._cifar_resnet import BasicBlock
from biodeephashing.bio import RULES, apply_rule, check_reach, describe, give_target, remove_rule, track_optimizer
from biodeephashing.errors import UsageError

BLOCKS = {"resnet20": 3, "resnet56": 9}


def parameters(blocks, outputs):
    """Count by hand: every convolution 3×3 without bias and its normalisation, two numbers a channel; the last layer with bias."""
    widths = [(3, 16)]
    for before, width in ((16, 16), (16, 32), (32, 64)):
        widths += [(before, width)] + [(width, width)] * (2 * blocks - 1)
    return sum(9 * one * other + 2 * other for one, other in widths) + 64 * outputs + outputs


def test_the_count_by_hand_is_right():
    first = 3 * 16 * 9 + 32
    stages = 6 * (2304 + 32), (4608 + 64) + 5 * (9216 + 64), (18432 + 128) + 5 * (36864 + 128)
    assert first + sum(stages) + 650 == parameters(3, 10) == 269_722
    assert parameters(9, 10) == 853_018


@pytest.mark.parametrize("name", BLOCKS)
def test_as_many_parameters_as_published(name):
    counts = {bits: sum(weight.numel() for weight in build_network(name, bits=bits).parameters()) for bits in (10, 32)}
    assert counts == {bits: parameters(BLOCKS[name], bits) for bits in (10, 32)}
    assert round(counts[10] / 1e6, 2) == {"resnet20": 0.27, "resnet56": 0.85}[name]


@pytest.mark.parametrize("name", BLOCKS)
def test_as_many_layers_as_the_name_says(name):
    layers = [part for part in build_network(name, bits=10).modules() if isinstance(part, nn.Conv2d | nn.Linear)]
    assert len(layers) == int(name.removeprefix("resnet"))
    assert all(part.kernel_size == (3, 3) and part.bias is None for part in layers[:-1])


def test_sizes_of_the_stages():
    trunk = BACKBONES["resnet20"]().build().eval()
    x = trunk.bn1(trunk.conv1(torch.zeros(1, 3, 32, 32)))
    shapes = []
    for stage in (trunk.layer1, trunk.layer2, trunk.layer3):
        x = stage(x)
        shapes.append(tuple(x.shape[1:]))
    assert shapes == [(16, 32, 32), (32, 16, 16), (64, 8, 8)]


@pytest.mark.parametrize("size", [(8, 8), (9, 15), (32, 32), (37, 20), (64, 64)])
def test_images_of_any_size(size):
    assert build_backbone("resnet20").eval()(torch.randn(2, 3, *size)).shape == (2, 64)


@pytest.mark.parametrize("size", [8, 9])
def test_shortcuts_keep_every_second_pixel_and_add_zeros(size):
    """With convolutions of zeros a block is its shortcut alone."""
    block = BasicBlock(4, 8).eval()
    for part in (block.conv1, block.conv2):
        nn.init.zeros_(part.weight)
    x = torch.randn(2, 4, size, size)
    expected = torch.zeros(2, 8, (size + 1) // 2, (size + 1) // 2)
    for row in range(expected.shape[2]):
        for column in range(expected.shape[3]):
            expected[:, 2:6, row, column] = x[:, :, 2 * row, 2 * column].clamp(min=0)
    assert torch.equal(block(x), expected)


def test_a_plain_block_written_out():
    block = BasicBlock(4, 4)
    x = torch.randn(3, 4, 6, 6)
    one = functional.conv2d(x, block.conv1.weight, padding=1)
    one = ((one - one.mean((0, 2, 3), keepdim=True)) / (one.var((0, 2, 3), keepdim=True, correction=0) + 1e-5).sqrt()).clamp(min=0)
    two = functional.conv2d(one, block.conv2.weight, padding=1)
    two = (two - two.mean((0, 2, 3), keepdim=True)) / (two.var((0, 2, 3), keepdim=True, correction=0) + 1e-5).sqrt()
    assert torch.allclose(block(x), (two + x).clamp(min=0), atol=1e-5)


def test_features_are_the_mean_over_all_pixels():
    trunk = build_backbone("resnet20").eval()
    images = torch.randn(2, 3, 16, 16)
    maps = []
    trunk.layer3.register_forward_hook(lambda *call: maps.append(call[-1]))
    features = trunk(images)
    assert torch.allclose(features, functional.adaptive_avg_pool2d(maps[0], 1).flatten(1), atol=1e-6)


def test_weights_are_drawn_as_stated():
    torch.manual_seed(0)
    for part in build_backbone("resnet56").modules():
        if isinstance(part, nn.Conv2d):
            wanted = (2 / (9 * part.in_channels)) ** 0.5
            count = part.weight.numel()
            assert abs(part.weight.std().item() / wanted - 1) < 5 / (2 * count) ** 0.5  # five standard errors
            assert abs(part.weight.mean().item()) < 5 * wanted / count**0.5


@pytest.mark.parametrize("name", BLOCKS)
def test_there_are_no_published_weights(name):
    with pytest.raises(UsageError, match=f"no ImageNet weights for {name}"):
        build_backbone(name, weights="imagenet")


@pytest.mark.parametrize("name", BLOCKS)
def test_a_checkpoint_comes_back(name, tmp_path):
    saved = build_backbone(name)
    torch.save(saved.state_dict(), tmp_path / "weights.pt")
    loaded = build_backbone(name, weights=str(tmp_path / "weights.pt"))
    assert all(torch.equal(value, loaded.state_dict()[key]) for key, value in saved.state_dict().items())


def step(network, images, labels):
    """One step of gradient descent; returns the loss."""
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    track_optimizer(network, optimizer)
    give_target(network, functional.one_hot(labels, 10))
    loss = functional.cross_entropy(network(images), labels)
    loss.backward()
    optimizer.step()
    return loss.item()


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_reaches_every_layer_and_trains(rule):
    torch.manual_seed(0)
    network = build_network("resnet20", bits=10)
    images, labels = torch.randn(8, 3, 16, 16), torch.arange(8)
    plain = network.train()(images).detach()
    apply_rule(network, rule)
    check_reach(network.eval(), images)
    assert [row.rule for row in describe(network).converted] == [rule] * 20
    before = {name: weight.detach().clone() for name, weight in network.named_parameters()}
    assert step(network.train(), images, labels) == pytest.approx(functional.cross_entropy(plain, labels).item(), abs=1e-6)
    for name, weight in network.named_parameters():
        assert torch.isfinite(weight).all(), name
        assert not torch.equal(weight, before[name]), name
    remove_rule(network)
    assert type(network.backbone.layer3[0].conv1) is nn.Conv2d


def test_rules_differ_in_what_they_send_down():
    """The last layer learns the same under every rule; the first convolution does not."""
    gradients = {}
    images, labels = torch.randn(8, 3, 16, 16), torch.arange(8)
    for rule in ("bp", "fa", "usf", "frsf", "dfa"):
        torch.manual_seed(0)
        network = apply_rule(build_network("resnet20", bits=10), rule)
        functional.cross_entropy(network(images), labels).backward()
        gradients[rule] = network.hash_layer.weight.grad, network.backbone.conv1.weight.grad
    torch.manual_seed(0)
    plain = build_network("resnet20", bits=10)
    functional.cross_entropy(plain(images), labels).backward()
    assert torch.allclose(gradients["bp"][1], plain.backbone.conv1.weight.grad, rtol=1e-4, atol=1e-7)
    for rule in ("fa", "usf", "frsf", "dfa"):
        assert torch.equal(gradients[rule][0], gradients["bp"][0])
        assert functional.cosine_similarity(gradients[rule][1].flatten(), gradients["bp"][1].flatten(), dim=0) < 0.99


@pytest.mark.gpu
@pytest.mark.parametrize("rule", RULES)
def test_every_rule_trains_on_a_gpu(rule):
    torch.manual_seed(0)
    network = apply_rule(build_network("resnet20", bits=10).cuda().to(memory_format=torch.channels_last), rule)
    images, labels = torch.randn(8, 3, 32, 32, device="cuda"), torch.arange(8, device="cuda")
    step(network, images, labels)
    assert all(torch.isfinite(weight).all() for weight in network.parameters())
