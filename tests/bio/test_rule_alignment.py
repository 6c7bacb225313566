"""Alignment with backpropagation against numbers worked out by hand, and what a measurement must leave alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from biodeephashing.bio import (
    QUANTITIES,
    RULES,
    BroadcastRule,
    Rule,
    apply_rule,
    exact_gradients,
    feedback_matrix,
    give_target,
    measure_alignment,
    rule_state,
    track_optimizer,
)
from biodeephashing.errors import RuleError


def fixed(matrix):
    """A rule whose B is one given matrix."""

    @dataclass(frozen=True)
    class Fixed(Rule):
        name = "fixed"

        def feedback(self, weight, kept, scale):
            return torch.tensor(matrix, dtype=weight.dtype) if weight.shape == (len(matrix), len(matrix[0])) else weight

    return Fixed()


def linear(weight):
    layer = nn.Linear(len(weight[0]), len(weight), bias=False)
    layer.weight.data = torch.tensor(weight)
    return layer


@pytest.mark.parametrize(
    ("weight", "matrix", "angle", "agreement", "ratio"),
    [
        ([[1.0, 2.0, 3.0]], [[1.0, 2.0, 3.0]], 0.0, 1.0, 1.0),
        ([[1.0, 2.0, 3.0]], [[16.0, 32.0, 48.0]], 0.0, 1.0, 16.0),
        ([[1.0, -2.0, 3.0]], [[-1.0, 2.0, -3.0]], 180.0, 0.0, 1.0),
        ([[1.0, 0.0], [0.0, 0.0]], [[0.0, 5.0], [0.0, 0.0]], 90.0, 0.5, 5.0),
        ([[3.0, 0.0]], [[1.0, 1.0]], 45.0, 0.5, math.sqrt(2) / 3),
        ([[1.0, 0.0], [1.0, 0.0]], [[1.0, 1.0], [0.0, 0.0]], 60.0, 0.5, 1.0),  # cos = 1/2
        ([[1.0, 1.0, -1.0, 2.0]], [[1.0, -1.0, 0.0, 4.0]], math.degrees(math.acos(8 / math.sqrt(7 * 18))), 0.5, math.sqrt(18 / 7)),
        ([[1e-30, 0.0]], [[1e-30, 1e-30]], 45.0, 0.5, math.sqrt(2)),  # squares that float32 cannot hold
        ([[1e30, 0.0]], [[-1e30, 1e30]], 135.0, 0.0, math.sqrt(2)),
    ],
)
def test_weights_by_hand(weight, matrix, angle, agreement, ratio):
    layer = apply_rule(linear(weight), fixed(matrix))
    [one] = measure_alignment(layer)
    assert one.weight_angle == pytest.approx(angle, rel=1e-6, abs=0.0)
    assert (one.name, one.rule, one.sign_agreement) == ("", "fixed", agreement)
    assert one.norm_ratio == pytest.approx(ratio, rel=1e-6)
    assert math.isnan(one.update_angle)
    assert torch.equal(feedback_matrix(layer, ""), torch.tensor(matrix))


@pytest.mark.parametrize(("weight", "matrix"), [([[0.0, 0.0]], [[1.0, 2.0]]), ([[0.0, 0.0]], [[0.0, 0.0]])])
def test_zero_weights_have_no_direction(weight, matrix):
    [one] = measure_alignment(apply_rule(linear(weight), fixed(matrix)))
    assert math.isnan(one.weight_angle)
    assert math.isnan(one.norm_ratio)
    assert one.sign_agreement == (1.0 if matrix == weight else 0.0)


def test_zero_feedback_has_no_direction_but_a_norm():
    [one] = measure_alignment(apply_rule(linear([[1.0, 0.0]]), fixed([[0.0, 0.0]])))
    assert math.isnan(one.weight_angle)
    assert (one.norm_ratio, one.sign_agreement) == (0.0, 0.5)


@pytest.mark.parametrize(("sent", "angle"), [([[1.0, 0.0]], 0.0), ([[-2.0, 0.0]], 180.0), ([[0.0, 3.0]], 90.0), ([[1.0, -1.0]], 45.0)])
def test_updates_by_hand(sent, angle):
    """Two units into one: backpropagation sends 1 to the first unit, the rule what B says; both learn from x = 1."""
    below, above = linear([[1.0], [1.0]]), linear([[1.0, 0.0]])
    network = apply_rule(nn.Sequential(below, above), {"0": "bp", "1": fixed(sent)})
    lower, upper = measure_alignment(network, lambda: network(torch.ones(1, 1)).sum())
    assert lower.update_angle == angle
    assert upper.update_angle == 0.0


def test_an_update_that_does_not_exist_has_no_angle():
    network = apply_rule(nn.Sequential(linear([[1.0], [1.0]]), linear([[1.0, 0.0]])), {"0": "bp", "1": fixed([[0.0, 0.0]])})
    assert [math.isnan(one.update_angle) for one in measure_alignment(network, lambda: network(torch.ones(1, 1)).sum())] == [True, False]
    network[1].weight.requires_grad_(False)
    assert all(math.isnan(one.update_angle) for one in measure_alignment(network, lambda: network(torch.ones(1, 1)).sum()))
    network[0].weight.requires_grad_(False)  # nothing learns at all
    assert all(math.isnan(one.update_angle) for one in measure_alignment(network, lambda: network(torch.ones(1, 1)).sum()))


def test_a_layer_that_a_batch_does_not_use_has_no_update_angle():
    network = apply_rule(nn.ModuleDict({"used": nn.Linear(2, 2), "idle": nn.Linear(2, 2)}), "usf")
    used, idle = measure_alignment(network, lambda: network["used"](torch.ones(1, 2)).sum())
    assert used.update_angle == 0.0
    assert math.isnan(idle.update_angle)


def test_a_network_without_rules_has_nothing_to_measure():
    assert measure_alignment(nn.Linear(2, 2), lambda: torch.zeros(())) == []


class Net(nn.Module):
    """A network with convolution, running statistics, dropout and one more linear layer whose outputs are as many as the last one's."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.5))
        self.wide = nn.Linear(64, 5)
        self.narrow = nn.Linear(5, 5)

    def forward(self, x):
        return self.narrow(self.wide(self.features(x)).tanh())


X = torch.randn(8, 3, 6, 6, generator=torch.Generator().manual_seed(1))
LABELS = torch.eye(5)[torch.arange(8) % 5]


def trained(rule, device="cpu"):
    """A network that made a step, and its loss on a batch."""
    torch.manual_seed(0)
    network = apply_rule(Net().to(device), rule, seed=3)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    track_optimizer(network, optimizer)
    x, labels = X.to(device), LABELS.to(device)

    def loss():
        give_target(network, labels)
        return (network(x) - labels).square().sum()

    loss().backward()
    optimizer.step()
    return network, loss


def cosine_angle(one, other):
    a, b = one.double().flatten(), other.double().flatten()
    return math.degrees(math.acos((a @ b / (a.norm() * b.norm())).clamp(-1, 1)))


def gradients(network, loss):
    torch.manual_seed(5)
    network.zero_grad()
    loss().backward()
    return {name: parameter.grad.clone() for name, parameter in network.named_parameters()}


def test_every_rule_against_its_definition(rule):
    """Angles by the cosine from gradients of ordinary backward passes: the network's, and a plain network's with the same weights."""
    network, loss = trained(rule)
    torch.manual_seed(5)
    found = {one.name: one for one in measure_alignment(network, loss)}
    ours = gradients(network, loss)
    plain = Net()
    plain.load_state_dict({name: value for name, value in network.state_dict().items() if "feedback" not in name})
    exact = gradients(plain, lambda: (plain(X) - LABELS).square().sum())
    assert list(found) == ["features.0", "wide", "narrow"]
    broadcast = issubclass(RULES[rule], BroadcastRule)
    for name, one in found.items():
        assert one.rule == rule
        assert one.update_angle == pytest.approx(cosine_angle(ours[f"{name}.weight"], exact[f"{name}.weight"]), abs=1e-3)
        weight, matrix = network.get_submodule(name).weight.detach(), feedback_matrix(network, name)
        if broadcast and not (rule == "dfa" and name == "narrow"):  # B of "wide" has the shape of W of "narrow" but carries another error
            assert all(math.isnan(getattr(one, quantity)) for quantity in QUANTITIES[:3])
            continue
        assert one.weight_angle == pytest.approx(cosine_angle(weight, matrix), abs=1e-5)
        assert one.norm_ratio == pytest.approx((matrix.norm() / weight.norm()).item(), rel=1e-5)
        assert one.sign_agreement == pytest.approx((weight.sign() == matrix.sign()).double().mean().item(), abs=1e-12)
    assert found["narrow"].update_angle == 0.0  # what arrives at the last layer is exact, whatever the rule
    if rule == "bp":
        assert all(
            (one.weight_angle, one.sign_agreement, one.norm_ratio, one.update_angle) == (0.0, 1.0, 1.0, 0.0) for one in found.values()
        )


def test_a_measurement_changes_nothing_but_running_statistics(rule):
    network, loss = trained(rule)
    before = {name: value.clone() for name, value in network.state_dict().items() if "running" not in name and "tracked" not in name}
    gradients = {name: parameter.grad.clone() for name, parameter in network.named_parameters()}
    random, state = torch.get_rng_state(), rule_state(network)
    first, second = measure_alignment(network, loss), measure_alignment(network, loss)
    assert [repr(one) for one in first] == [repr(one) for one in second]
    assert torch.equal(torch.get_rng_state(), random)
    assert rule_state(network) == state
    assert all(torch.equal(network.state_dict()[name], value) for name, value in before.items())
    assert all(torch.equal(parameter.grad, gradients[name]) for name, parameter in network.named_parameters())
    assert all(part.training for part in network.modules())


def test_exact_gradients_are_backpropagations_and_end(rule):
    network, loss = trained(rule)
    ours, state = gradients(network, loss), rule_state(network)
    with exact_gradients(network):
        exact = gradients(network, loss)
    apply_rule(other := trained(rule)[0], "bp")
    expected = gradients(other, lambda: (other(X) - LABELS).square().sum())
    assert all(torch.allclose(exact[name], expected[name], atol=1e-6) for name in exact)
    assert rule_state(network) == state
    again = gradients(network, loss)
    assert all(torch.equal(ours[name], again[name]) for name in ours)


def test_exact_gradients_end_with_an_error_too(rule):
    network, loss = trained(rule)
    state, ours = rule_state(network), gradients(network, loss)
    with pytest.raises(ZeroDivisionError), exact_gradients(network):
        raise ZeroDivisionError
    calls = []

    def fails_the_second_time():
        calls.append(1)
        return loss() if len(calls) == 1 else 1 / 0

    with pytest.raises(ZeroDivisionError):
        measure_alignment(network, fails_the_second_time)
    assert rule_state(network) == state
    assert all(torch.equal(ours[name], value) for name, value in gradients(network, loss).items())


def test_gradients_of_several_processes_are_averaged_first():
    network, loss = trained("fa")
    seen = []

    def average(gradient):
        seen.append(gradient.shape)
        return torch.ones_like(gradient)

    assert all(one.update_angle == 0.0 for one in measure_alignment(network, loss, average=average))
    assert seen == 2 * [network.features[0].weight.shape, network.wide.weight.shape, network.narrow.weight.shape]


def test_parametrised_weights_are_measured():
    torch.manual_seed(0)
    network = nn.Sequential(parametrizations.weight_norm(nn.Linear(4, 3)), nn.Tanh(), nn.Linear(3, 2))
    x = torch.randn(6, 4)
    apply_rule(network, "fa")
    below, above = measure_alignment(network, lambda: network(x).square().sum())
    g = 2 * network(x).detach()
    hidden = network[1](network[0](x)).detach()
    ours, exact = (((g @ matrix) * (1 - hidden**2)).T @ x for matrix in (feedback_matrix(network, "2"), network[2].weight.detach()))
    assert below.update_angle == pytest.approx(cosine_angle(ours, exact), abs=1e-4)
    assert above.update_angle == 0.0


def test_a_large_layer_is_measured_in_pieces(monkeypatch):
    from biodeephashing.bio import _align

    layer = apply_rule(nn.Linear(300, 200), "frsf")
    [whole] = measure_alignment(layer)
    monkeypatch.setattr(_align, "_PIECE", 1001)
    [pieces] = measure_alignment(layer)
    assert pieces.weight_angle == pytest.approx(whole.weight_angle, rel=1e-12)


def test_half_precision_is_measured():
    layer = apply_rule(linear([[3.0, 0.0]]).bfloat16(), fixed([[1.0, 1.0]]))
    assert measure_alignment(layer)[0].weight_angle == pytest.approx(45.0, rel=1e-12)


def test_an_unknown_layer_is_named():
    network = apply_rule(nn.Sequential(nn.Linear(2, 2)), "fa")
    with pytest.raises(RuleError, match="no layer '1' learns by a rule; those that do are '0'"):
        feedback_matrix(network, "1")
    with pytest.raises(RuleError, match="those that do are none"):
        feedback_matrix(nn.Linear(2, 2), "")


@pytest.mark.gpu
def test_a_gpu_measures_too(rule):
    (there, loss), (here, loss_here) = trained(rule, "cuda"), trained(rule)
    for part in (there.features[4], here.features[4]):
        part.p = 0.0  # the two devices draw other numbers
    random = torch.cuda.get_rng_state()
    for one, other in zip(measure_alignment(there, loss), measure_alignment(here, loss_here), strict=True):
        for quantity in QUANTITIES[:3]:  # the step before saw other dropout, so updates differ
            assert math.isnan(getattr(one, quantity)) == math.isnan(getattr(other, quantity))
        assert math.isfinite(one.update_angle)
    assert torch.equal(torch.cuda.get_rng_state(), random)
    plain = {one.name: one.update_angle for one in measure_alignment(apply_rule(there, "bp"), loss)}
    assert all(angle < 1e-3 for angle in plain.values())  # the same sums, which a card may add up in another order
