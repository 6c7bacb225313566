"""Real networks, other people's code: the rules reach every matrix and change nothing else."""

from __future__ import annotations

import pytest
import timm
import torch
import torchvision.models as tv
from rule_helpers import label, ready
from torch import nn

from biodeephashing.bio import (
    RULES,
    BroadcastRule,
    apply_rule,
    check_reach,
    describe,
    plain_state_dict,
    remove_rule,
    rule_names,
    rule_state,
    track_optimizer,
)

EVERY = tuple(sorted(RULES))
SWIN = {"embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2], "window_size": [2, 2], "stochastic_depth_prob": 0.0, "num_classes": 8}
ViT = tv.VisionTransformer
SWIN_V2 = {"block": tv.swin_transformer.SwinTransformerBlockV2, "downsample_layer": tv.swin_transformer.PatchMergingV2}


def narrow_vgg16():
    """All layers, the two of 4,096 units with 64: the weights of one alone would be 411 MB, again for every rule."""
    network = tv.VGG(tv.vgg.make_layers(tv.vgg.cfgs["D"]), num_classes=8, init_weights=False, dropout=0.0)
    network.classifier[0], network.classifier[3] = nn.Linear(512 * 7 * 7, 64), nn.Linear(64, 64)
    network.classifier[6] = nn.Linear(64, 8)
    return network


# how a network is built, how wide its images are, and which rules it is tried with: all where it is small
NETWORKS = {
    "alexnet": (lambda: tv.alexnet(num_classes=8, dropout=0.0), 64, ("brsf", "dfa", "fa")),
    "vgg16": (narrow_vgg16, 32, ("bp", "usf")),
    "resnet18": (lambda: tv.resnet18(num_classes=8), 64, EVERY),
    "mobilenet_v3_small": (lambda: tv.mobilenet_v3_small(num_classes=8, dropout=0.0), 64, EVERY),
    "convnext_tiny": (lambda: tv.convnext_tiny(num_classes=8, stochastic_depth_prob=0.0), 32, ("brsf", "drtp", "kp")),
    "vit": (
        lambda: ViT(image_size=32, patch_size=8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=8),
        32,
        EVERY,
    ),
    "swin": (lambda: tv.SwinTransformer(patch_size=[4, 4], **SWIN), 32, EVERY),
    "swin_v2": (lambda: tv.SwinTransformer(patch_size=[4, 4], **SWIN, **SWIN_V2), 32, EVERY),
    "timm hrnet_w18_small": (lambda: timm.create_model("hrnet_w18_small", num_classes=8), 64, ("frsf", "dfa", "wm")),
    "timm convnext_atto": (lambda: timm.create_model("convnext_atto", num_classes=8), 64, EVERY),
    "timm tf_efficientnet_lite0": (lambda: timm.create_model("tf_efficientnet_lite0", num_classes=8), 32, EVERY),
    "timm vit_tiny": (
        lambda: timm.create_model("vit_tiny_patch16_224", img_size=32, patch_size=8, depth=2, num_classes=8),
        32,
        EVERY,
    ),
    "timm beit": (
        lambda: timm.models.beit.Beit(img_size=32, patch_size=8, embed_dim=16, depth=2, num_heads=2, init_values=0.1, num_classes=8),
        32,
        EVERY,
    ),
}


LARGE = ("alexnet", "vgg16", "resnet18", "convnext_tiny", "timm hrnet_w18_small", "timm tf_efficientnet_lite0")


@pytest.fixture(scope="module", params=[pytest.param(name, marks=pytest.mark.slow) if name in LARGE else name for name in NETWORKS])
def real(request):
    """A network, a batch, what it computes, and backpropagation's gradients."""
    build, size, rules = NETWORKS[request.param]
    torch.manual_seed(0)
    network, x = build(), torch.randn(2, 3, size, size)
    for part in network.modules():  # one batch must not move the running statistics: all rules see the same network
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = 0.0
    with torch.no_grad():  # what a layer's bias starts with hides what it does
        for name, parameter in network.named_parameters():
            if "layer_scale" in name or name.endswith(("gamma", "gamma_1", "gamma_2")):
                parameter.fill_(0.5)
            elif not parameter.any():
                parameter.uniform_(-0.1, 0.1)
    return request.param, network, x, rules, network(x).detach(), gradients(network, x)


def test_a_real_network_learns_by_its_rules(real):
    name, network, x, rules, wanted, exact = real
    keys, state = list(network.state_dict()), {n: p.clone() for n, p in network.state_dict().items() if "num_batches" not in n}
    maps = [n for n, p in network.named_modules() if isinstance(p, nn.Conv2d | nn.Linear)]
    packed = [f"{n}.in_proj_weight" for n, p in network.named_modules() if isinstance(p, nn.MultiheadAttention)]
    for rule in rules:
        given = rule
        if issubclass(RULES[rule], BroadcastRule) and name == "swin_v2":
            given = {"*.cpb_mlp.*": "bp", "*": rule}  # these layers see positions, no image: there is no batch to send a signal to
        ready(apply_rule(network, given))
        label(network, len(x))
        check_reach(network, x)
        with torch.no_grad():
            assert torch.equal(network(x), wanted)
        label(network, len(x))
        assert torch.equal(network(x), wanted)
        found = gradients(network, x)
        check_gradients(rule, found, exact, next(n for n, p in network.named_parameters() if p.dim() > 3))
        report = describe(network)
        assert {row.name if row.parameter == "weight" else f"{row.name}.{row.parameter}" for row in report.converted} == {*maps, *packed}
        assert set(rule_state(network)) == {*maps, *packed} == set(rule_names(network))
        listed = {f"{row.name}.{row.parameter}".lstrip(".") for row in report}
        assert listed >= {n for n, p in network.named_parameters() if p.dim() > 1}
        assert list(plain_state_dict(network)) == keys
        remove_rule(network)
        assert not any(hasattr(part, "_bindings") or hasattr(part, "_buses") for part in network.modules())
        assert not any(n.endswith(("_feedback", "_feedback_starts")) for n, _ in network.named_buffers())
        with torch.no_grad():
            assert torch.equal(network(x), wanted)
    assert all(torch.equal(state[n], network.state_dict()[n]) for n in state)
    for n, gradient in gradients(network, x).items():
        torch.testing.assert_close(gradient, exact[n])


def check_gradients(rule, found, exact, first):
    assert found.keys() == exact.keys()
    assert all(gradient.isfinite().all() for gradient in found.values())
    last = [n for n in found if n.endswith("weight")][-1]
    assert distance(found[last], exact[last]) < 1e-5, "the last layer's weight gets the exact error"
    error_of_first = distance(found[first], exact[first])
    assert error_of_first < 1e-3 if rule == "bp" else error_of_first > 0.02, "the error that reaches the first layer went through every B"


def distance(found, wanted):
    assert wanted.norm() > 0
    return ((found - wanted).norm() / wanted.norm()).item()


def gradients(network, x):
    network.zero_grad()
    label(network, len(x))
    network(x).square().sum().backward()
    return {n: p.grad.clone() for n, p in network.named_parameters() if p.grad is not None}


def test_only_the_named_parts_of_a_real_network_change():
    torch.manual_seed(0)
    network, x = tv.resnet18(num_classes=8).eval(), torch.randn(2, 3, 64, 64)
    exact = gradients(network, x)
    ready(apply_rule(network, "layer4.*=usf,*=bp"))
    found = gradients(network, x)
    above = [n for n in found if n.startswith("fc")]
    below = [n for n in rule_names(network) if n.startswith(("conv1", "layer1", "layer2", "layer3"))]
    assert all(distance(found[n], exact[n]) < 1e-5 for n in above)
    assert len(below) == 15
    assert all(distance(found[f"{n}.weight"], exact[f"{n}.weight"]) > 0.02 for n in below)


def test_every_rule_learns_what_a_small_network_can_learn(rule):
    torch.manual_seed(0)
    network = apply_rule(nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 3)), rule)
    x = torch.randn(32, 6)
    target = x[:, :3].argmax(1)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.5)
    track_optimizer(network, optimizer)
    losses = []
    for _ in range(30):
        label(network, len(x))
        loss = nn.functional.cross_entropy(network(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
