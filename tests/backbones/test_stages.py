"""Backbones that give the features of their stages, and the hash layer that fuses the codes of these."""

import pytest
import torch
from many_cases import each_case
from torchvision import models

from biodeephashing.backbones import BACKBONES, build_backbone, build_feature_network, build_network, fusion_of
from biodeephashing.backbones.texts import TEXT_BACKBONES, build_text_network
from biodeephashing.bio import RULES, apply_rule, check_reach, give_target, track_optimizer
from biodeephashing.errors import UsageError

WORDS, BITS = 60, 8
STAGES = {
    "lenet": (20, 50, 500),
    "resnet18": (64, 128, 256, 512),
    "resnet20": (16, 32, 64),
    "resnet34": (64, 128, 256, 512),
    "resnet50": (256, 512, 1024, 2048),
    "resnet56": (16, 32, 64),
    "mlp:16,12": (16, 12),
    "ms_residual": (384, 512, 512, 512),
    "features": (16, 12),
}
SMALL = ("lenet", "resnet20", "mlp:16,12", "ms_residual", "features")


def network_of(name, fusion=0):
    """Return a network of levels with the inputs of three items."""
    torch.manual_seed(0)
    if name == "features":
        network = build_feature_network("mlp:16,12", mean=torch.ones(WORDS), deviation=torch.full((WORDS,), 2.0), bits=BITS, fusion=fusion)
        return network, torch.randn(3, WORDS)
    if name in BACKBONES:
        return build_network(name, bits=BITS, fusion=fusion), torch.randn(3, 3, 32, 32)
    return build_text_network(name, words=WORDS, bits=BITS, fusion=fusion), (torch.rand(3, WORDS) < 0.2).float()


def test_every_backbone_with_stages_is_tried():
    with torch.device("meta"):
        staged = [name for name in BACKBONES if not name.startswith("hrnet") and hasattr(BACKBONES[name]().build(), "stages")]
    staged += [name for name in TEXT_BACKBONES if hasattr(TEXT_BACKBONES[name](WORDS, ""), "stages")]
    assert sorted(staged) == sorted(name.partition(":")[0] for name in STAGES if name != "features")


@each_case("name", STAGES)
def test_stages_have_the_promised_widths(name):
    with torch.device("meta"):
        network, inputs = network_of(name)
        stages = network.backbone.stages(inputs)
    assert network.backbone.stage_features == STAGES[name]
    assert tuple(stage.shape for stage in stages) == tuple((3, width) for width in STAGES[name])


@each_case("name", [*SMALL, "resnet18"])
def test_the_last_stage_is_what_the_backbone_gives(name):
    network, inputs = network_of(name)
    backbone = network.backbone.eval()
    stages = backbone.stages(inputs)
    torch.testing.assert_close(stages[-1], backbone(inputs), rtol=1e-5, atol=1e-6)


def test_residual_stages_are_means_of_feature_maps():
    torch.manual_seed(1)
    ours = build_backbone("resnet18").eval()
    torch.manual_seed(1)
    theirs = models.resnet18(weights=None).eval()
    maps = {}
    for stage in range(1, 5):
        getattr(theirs, f"layer{stage}").register_forward_hook(lambda _, __, out, stage=stage: maps.update({stage: out}))
    images = torch.randn(2, 3, 64, 64)
    theirs(images)
    for stage, features in enumerate(ours.stages(images), 1):
        torch.testing.assert_close(features, torch.tensor([[channel.mean().item() for channel in image] for image in maps[stage]]))


@each_case("name, fusion", [(name, fusion) for name in SMALL for fusion in (0, 1, 2)])
def test_codes_of_levels_are_fused_bit_by_bit(name, fusion):
    network, inputs = network_of(name, fusion)
    network.backbone.eval()
    count = fusion or len(STAGES[name])
    assert fusion_of(network.state_dict()) == count
    outputs = network(inputs)
    assert outputs.shape == (3, (count + 1) * BITS)
    levels = outputs.unflatten(1, (-1, BITS))
    heads = network.hash_layer.heads
    for level, features in enumerate(network.backbone.stages(inputs)[-count:]):
        torch.testing.assert_close(levels[:, level], heads[level](features))
    weights = network.hash_layer.attention
    for item in range(3):
        for bit in range(BITS):
            fused = sum(weights[level, bit].item() * levels[item, level, bit].tanh().item() for level in range(count))
            assert levels[item, -1, bit].item() == pytest.approx(fused, abs=1e-5)


@each_case("name", [*SMALL, "resnet18"])
def test_evaluation_gives_the_fused_code_of_one_item_too(name):
    network, inputs = network_of(name)
    network.eval()
    codes = network(inputs)
    assert codes.shape == (3, BITS)
    assert network(inputs[:1]).shape == (1, BITS)
    torch.testing.assert_close(network(inputs[:1]), codes[:1], rtol=1e-4, atol=1e-5)


def test_weights_of_the_fusion_are_drawn_as_stated():
    torch.manual_seed(0)
    weights = build_network("resnet18", bits=128, fusion=0).hash_layer.attention
    assert weights.shape == (4, 128)
    assert weights.mean().item() == pytest.approx(1 / 4, abs=0.002)  # standard error 1 / 128 / sqrt(512) = 3.5e-4
    assert weights.std().item() == pytest.approx(1 / 128, rel=0.15)


@each_case("name", SMALL)
def test_a_checkpoint_gives_the_network_back(name):
    network, inputs = network_of(name, fusion=2)
    again, _ = network_of(name, fusion=fusion_of(network.state_dict()))
    again.load_state_dict(network.state_dict())
    assert torch.equal(again.eval()(inputs), network.eval()(inputs))


@each_case("name", SMALL)
def test_every_parameter_learns(name):
    network, inputs = network_of(name)
    network(inputs).square().sum().backward()
    assert [key for key, parameter in network.named_parameters() if parameter.grad is None] == []


def gradients(name, rule):
    network, inputs = network_of(name)
    apply_rule(network, rule)
    track_optimizer(network, torch.optim.SGD(network.parameters(), lr=0.1))
    give_target(network, torch.eye(3))
    network(inputs).square().mean().backward()
    return {key: parameter.grad for key, parameter in network.named_parameters()}


@each_case("rule", RULES)
@pytest.mark.parametrize("name", SMALL)
def test_every_rule_acts_below_exact_heads(name, rule):
    network, inputs = network_of(name)
    check_reach(apply_rule(network, rule).eval(), inputs)
    exact, found = gradients(name, "bp"), gradients(name, rule)
    assert all(grad.isfinite().all() for grad in found.values())
    last = {"ms_residual": ".3.weight"}.get(name, ".0.weight" if name in ("mlp:16,12", "features") else ".1.weight")
    heads = [key for key in exact if key.startswith("hash_layer.heads.") and key.endswith(last)]
    assert len(heads) == len(STAGES[name])
    assert all(torch.equal(exact[key], found[key]) for key in [*heads, "hash_layer.attention"])
    first = next(key for key, grad in exact.items() if key.startswith("backbone.") and grad.ndim > 1)
    assert torch.equal(exact[first], found[first]) == (rule == "bp")


def test_presets_of_rules_know_several_heads():
    network, _ = network_of("lenet")
    converted = apply_rule(network, {"hash_layer.*": "fa", "*": "bp"})
    assert "fa" in str(converted.hash_layer.heads[0][1])


@each_case("name", ["cnnf", "timm:resnet10t"])
def test_a_backbone_without_stages_is_refused(name):
    with torch.device("meta"), pytest.raises(UsageError, match=rf"{name} gives no features of its stages"):
        build_network(name, bits=BITS, fusion=0)


@each_case("name", ["linear", "ms"])
def test_a_text_backbone_without_stages_is_refused(name):
    with pytest.raises(UsageError, match=rf"{name} gives no features of its stages"):
        build_text_network(name, words=WORDS, bits=BITS, fusion=0)


def test_more_stages_than_there_are_cannot_be_fused():
    with pytest.raises(UsageError, match=r"lenet has 3 stages and not 4.*at most 3"):
        network_of("lenet", fusion=4)
    with pytest.raises(UsageError, match="mlp:16 has 1 stage and not 2"):
        network_of("mlp:16", fusion=2)
