"""Feedback that is learned: kp takes the weights' steps, wm learns from noise."""

from __future__ import annotations

import math

import pytest
import torch
from rule_helpers import X, network
from rule_oracle import number
from torch import nn
from torch.nn.utils import parametrizations

from biodeephashing.bio import WeightMirror, apply_rule, feedback_matrix, measure_alignment, track_optimizer
from biodeephashing.errors import RuleError

SETTINGS = {
    "sgd": (torch.optim.SGD, {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.1}),
    "nesterov": (torch.optim.SGD, {"lr": 0.05, "momentum": 0.8, "nesterov": True, "weight_decay": 0.1}),
    "adam": (torch.optim.Adam, {"lr": 0.01, "weight_decay": 0.1}),
    "adamw": (torch.optim.AdamW, {"lr": 0.01, "weight_decay": 0.1, "amsgrad": True}),
    "rmsprop": (torch.optim.RMSprop, {"lr": 0.01, "alpha": 0.9, "weight_decay": 0.1}),
}


def train(module, optimizer, count, scheduler=None):
    """Return each step's gradients of the weights of the layers."""
    seen = []
    for step in range(count):
        x = torch.randn(X.shape, generator=torch.Generator().manual_seed(step)).to(module[5].weight)
        optimizer.zero_grad()
        (module(x) - 1).square().mean().backward()
        seen.append({name: module[name].weight.grad.clone() for name in (0, 3, 5) if module[name].weight.grad is not None})
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
    return seen


def distances(module):
    return {name: (module[name].weight - module[name].weight_feedback).detach().clone() for name in (0, 3, 5)}


@pytest.mark.parametrize("name", SETTINGS)
def test_b_takes_the_very_steps_of_w(name):
    kind, options = SETTINGS[name]
    module = apply_rule(network(), "kp")
    start = {layer: module[layer].weight_feedback.clone() for layer in (0, 3, 5)}
    # two groups with settings of their own, and a rate that changes on the way
    groups = [{"params": [*module[:3].parameters()], "weight_decay": 0.3}, {"params": [*module[3:].parameters()]}]
    optimizer = kind(groups, **options)
    track_optimizer(module, optimizer)
    gradients = train(module, optimizer, 6, torch.optim.lr_scheduler.StepLR(optimizer, 2, gamma=0.5))

    for layer, matrix in start.items():
        alone = nn.Parameter(matrix)
        its_optimizer = kind([alone], **{**options, **({"weight_decay": 0.3} if layer == 0 else {})})
        scheduler = torch.optim.lr_scheduler.StepLR(its_optimizer, 2, gamma=0.5)
        for gradient in gradients:
            alone.grad = gradient[layer]
            its_optimizer.step()
            scheduler.step()
        torch.testing.assert_close(module[layer].weight_feedback, alone.detach(), rtol=1e-6, atol=1e-8)
        assert not module[layer].weight_feedback.requires_grad
        assert module[layer].weight_feedback.grad is None


def test_momentum_and_decay_in_a_loop_by_hand():
    module = apply_rule(network().double(), "kp")
    matrix, momentum = module[3].weight_feedback.clone(), 0.0
    optimizer = torch.optim.SGD(module.parameters(), lr=0.05, momentum=0.9, weight_decay=0.2)
    track_optimizer(module, optimizer)
    for gradient in train(module, optimizer, 5):
        momentum = 0.9 * momentum + gradient[3] + 0.2 * matrix
        matrix = matrix - 0.05 * momentum
    torch.testing.assert_close(module[3].weight_feedback, matrix)


def test_decay_brings_b_to_w_at_its_own_rate():
    module = apply_rule(network().double(), "kp")
    before = distances(module)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, weight_decay=0.5)
    track_optimizer(module, optimizer)
    train(module, optimizer, 100)
    for name, distance in distances(module).items():
        torch.testing.assert_close(distance, 0.95**100 * before[name], rtol=1e-6, atol=1e-12)
    assert all(one.weight_angle < 30 for one in measure_alignment(module))


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam])
def test_without_decay_b_keeps_its_distance(kind):
    module = apply_rule(network().double(), "kp")
    before = distances(module)
    optimizer = kind(module.parameters(), lr=0.05)
    track_optimizer(module, optimizer)
    train(module, optimizer, 10)
    for name, distance in distances(module).items():
        torch.testing.assert_close(distance, before[name], rtol=1e-10, atol=1e-12)
    assert not torch.equal(module[5].weight, network().double()[5].weight)


@pytest.mark.parametrize("in_optimizer", [True, False])
def test_a_frozen_weight_and_its_b_rest(in_optimizer):
    module = apply_rule(network(), "kp")
    module[3].weight.requires_grad_(False)
    weight, matrix = module[3].weight.clone(), module[3].weight_feedback.clone()
    optimizer = torch.optim.SGD([p for p in module.parameters() if in_optimizer or p.requires_grad], lr=0.1, weight_decay=0.5)
    track_optimizer(module, optimizer)
    other = distances(module)[5]
    train(module, optimizer, 3)
    assert torch.equal(module[3].weight, weight)
    assert torch.equal(module[3].weight_feedback, matrix)
    torch.testing.assert_close(distances(module)[5], 0.95**3 * other)


def test_a_weight_that_the_optimizer_does_not_have():
    module = apply_rule(network(), "kp")
    with pytest.raises(RuleError, match="does not have the weight of layer '0'"):
        track_optimizer(module, torch.optim.SGD(module[3:].parameters(), lr=0.1))
    with pytest.raises(RuleError, match="call track_optimizer"):
        module(X)


def test_a_weight_that_is_computed():
    module = nn.Sequential(parametrizations.weight_norm(nn.Linear(3, 2)))
    apply_rule(module, "kp")
    with pytest.raises(RuleError, match=r"layer '0' is computed \(a parametrisation\)"):
        track_optimizer(module, torch.optim.SGD(module.parameters(), lr=0.1))


def test_two_layers_with_one_weight_each_keep_a_b_that_follows():
    module = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3)).double()
    module[2].weight = module[0].weight
    apply_rule(module, "kp")
    before = [module[0].weight.detach() - module[name].weight_feedback for name in (0, 2)]
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    track_optimizer(module, optimizer)
    module(torch.randn(4, 3, dtype=torch.float64)).square().sum().backward()
    optimizer.step()
    for name, distance in zip((0, 2), before, strict=True):
        torch.testing.assert_close(module[0].weight - module[name].weight_feedback, distance)


@pytest.mark.parametrize("earlier", [0, 2])
def test_b_follows_through_a_change_of_dtype(earlier):
    module = apply_rule(network(), "kp")
    before = distances(module)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.05, momentum=0.9)
    track_optimizer(module, optimizer)
    train(module, optimizer, earlier)
    module.double()
    train(module, optimizer, 3)
    assert module[3].weight_feedback.dtype == torch.float64
    for name, distance in distances(module).items():
        torch.testing.assert_close(distance, before[name].double(), rtol=1e-4, atol=1e-5)


LAYERS = {
    "linear": lambda: nn.Linear(6, 4),
    "convolution": lambda: nn.Conv2d(3, 4, 2),
    "grouped": lambda: nn.Conv2d(6, 4, (1, 2), groups=2),
    "depthwise": lambda: nn.Conv1d(4, 4, 3, groups=4),
    "transposed": lambda: nn.ConvTranspose2d(3, 4, 2),
    "transposed, grouped": lambda: nn.ConvTranspose1d(6, 4, 3, groups=2),
}


def layer_of(name):
    torch.manual_seed(0)
    return LAYERS[name]()


@pytest.mark.parametrize("name", LAYERS)
def test_a_mirror_phase_shows_the_weights_in_the_mean(name):
    layer, count = layer_of(name), 200_000
    weight = layer.weight.detach().double()
    matrix = torch.zeros_like(weight)
    noise = torch.Generator().manual_seed(1)
    WeightMirror(rate=1.0, samples=count).mirror(weight, matrix, name.startswith("transposed"), getattr(layer, "groups", 1), noise)
    # the variance of an entry of y ξᵀ is ‖w‖² + w² at most, w the row that the entry belongs to; all entries within six deviations
    assert (matrix - weight).abs().max() < 6 * math.sqrt(2 * weight.square().sum() / count)
    assert (matrix - weight).abs().max() < 0.2 * weight.abs().max()


@pytest.mark.parametrize("height", [None, 2])
@pytest.mark.parametrize("name", LAYERS)
def test_mirror_phases_by_their_definition(name, height, monkeypatch):
    if height is not None:  # rows of W that are looked at together; for layers as small as these all of them
        monkeypatch.setattr("biodeephashing.bio.wm.rows_of_block", lambda shape: height)
    layer = apply_rule(nn.ModuleDict({"part": layer_of(name)}), WeightMirror(rate=0.3, samples=50), seed=6)["part"]
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.0)
    wanted, weight, groups = layer.weight_feedback.clone(), layer.weight.detach(), getattr(layer, "groups", 1)
    track_optimizer(layer, optimizer)
    transposed = name.startswith("transposed")
    for step in (1, 2):
        torch.rand(step)  # other random numbers do not matter
        optimizer.step()
        noise = torch.Generator().manual_seed(number(f"6/wm/{step}/part"))
        estimate = torch.zeros_like(weight)
        inputs = len(weight) // groups if transposed else weight[0].numel()
        patterns = torch.randn(groups if transposed else 1, 50, inputs, generator=noise)
        for group, block in enumerate(weight.chunk(groups if transposed else 1)):
            flat = block.flatten(1)
            for pattern in patterns[group]:
                # what enters beside what comes out; a transposed convolution has its inputs in the rows of W
                product = torch.outer(pattern, flat.T @ pattern) if transposed else torch.outer(flat @ pattern, pattern)
                estimate.chunk(groups if transposed else 1)[group].add_(product.view_as(block))
        wanted = 0.7 * wanted + 0.3 * estimate / 50
        torch.testing.assert_close(feedback_matrix(layer, ""), wanted, rtol=1e-4, atol=1e-5)


def test_no_estimate_of_a_large_weight_is_ever_whole(monkeypatch):
    sizes, approach = [], WeightMirror._approach
    monkeypatch.setattr(WeightMirror, "_approach", lambda self, part, *rest: sizes.append(part.numel()) or approach(self, part, *rest))
    weight, matrix = torch.randn(1500, 1000, generator=torch.Generator().manual_seed(0)), torch.zeros(1500, 1000)
    WeightMirror(rate=1.0, samples=4).mirror(weight, matrix, False, 1, torch.Generator().manual_seed(1))
    assert sum(sizes) == weight.numel()
    assert max(sizes) <= 2**20
    noise = torch.randn(1, 4, 1000, generator=torch.Generator().manual_seed(1))[0]
    torch.testing.assert_close(matrix, weight @ noise.T @ noise / 4, rtol=1e-4, atol=1e-3)


def test_a_mirror_settles_where_its_documentation_says():
    torch.manual_seed(0)
    layer = apply_rule(nn.Linear(64, 256), WeightMirror(rate=0.1, samples=32))
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.0)
    track_optimizer(layer, optimizer)
    assert measure_alignment(layer)[0].weight_angle > 80
    for _ in range(150):
        optimizer.step()
    settled = math.degrees(math.atan(math.sqrt(0.1 * 64 / (1.9 * 32))))
    assert measure_alignment(layer)[0].weight_angle == pytest.approx(settled, rel=0.1)
    assert measure_alignment(layer)[0].norm_ratio == pytest.approx(1 / math.cos(math.radians(settled)), rel=0.05)


def test_mirrors_depend_on_seed_and_name_alone():
    def mirrored(seed, name):
        module = apply_rule(nn.ModuleDict({"before": nn.Linear(2, 2), name: layer_of("linear")}), "wm", seed=seed)
        optimizer = torch.optim.SGD(module.parameters(), lr=0.0)
        track_optimizer(module, optimizer)
        optimizer.step()
        return feedback_matrix(module, name).clone()

    assert torch.equal(mirrored(1, "a"), mirrored(1, "a"))
    assert not torch.equal(mirrored(1, "a"), mirrored(2, "a"))
    assert not torch.equal(mirrored(1, "a"), mirrored(1, "b"))


@pytest.mark.parametrize("options", [{"rate": 0.0}, {"rate": 1.5}, {"rate": math.nan}, {"samples": 0}, {"rate": "a"}, {"samples": 1.5}])
def test_a_mirror_without_sense_is_refused(options):
    with pytest.raises(RuleError, match="0 < rate <= 1"):
        WeightMirror(**options)
