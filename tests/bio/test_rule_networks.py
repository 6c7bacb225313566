"""Real networks, other people's code: the rules reach every matrix and change nothing else."""

from __future__ import annotations

import pytest
import timm
import torch
import torchvision
from torch import nn

from biodeephashing.bio import RULES, apply_rule, describe, remove_rule, rule_state

NETWORKS = {
    "resnet18": (lambda: torchvision.models.resnet18(num_classes=8), 64),
    "alexnet": (lambda: torchvision.models.alexnet(num_classes=8, dropout=0.0), 64),
    "hrnet_w18_small": (lambda: timm.create_model("hrnet_w18_small", num_classes=8), 32),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_real_network_learns_by_every_rule(name):
    build, size = NETWORKS[name]
    torch.manual_seed(0)
    network, x = build(), torch.randn(2, 3, size, size)
    keys, weights = list(network.state_dict()), {n: p.clone() for n, p in network.state_dict().items()}
    with torch.no_grad():
        for part in network.modules():  # one batch must not move the running statistics: all rules see the same network
            if isinstance(part, nn.BatchNorm2d):
                part.momentum = 0.0
    wanted = network(x)
    exact = gradients(network, x)
    first = next(n for n, p in network.named_modules() if isinstance(p, nn.Conv2d))
    for rule in sorted(RULES):
        apply_rule(network, rule)
        assert torch.equal(network(x), wanted)
        found = gradients(network, x)
        assert found.keys() == exact.keys()
        assert all(gradient.isfinite().all() for gradient in found.values())
        last = list(found)[-2]  # the weight of the last layer gets the exact error
        torch.testing.assert_close(found[last], exact[last])
        same = torch.allclose(found[f"{first}.weight"], exact[f"{first}.weight"], rtol=1e-3, atol=1e-6)
        assert same == (rule == "bp"), "the error that reaches the first layer went through every B"
        report = describe(network)
        maps = [n for n, p in network.named_modules() if isinstance(p, nn.Conv2d | nn.Linear)]
        assert [row.name for row in report.converted] == maps == list(rule_state(network))
        assert {row.reason for row in report.exact} <= {"normalisation scale"}
        assert list(network.state_dict()) == keys
    remove_rule(network)
    assert all(torch.equal(weights[n], p) for n, p in network.state_dict().items() if "num_batches" not in n)
    assert torch.equal(network(x), wanted)


def gradients(network, x):
    network.zero_grad()
    network(x).square().sum().backward()
    return {n: p.grad.clone() for n, p in network.named_parameters()}


def test_every_rule_learns_what_a_small_network_can_learn():
    for rule in RULES:
        torch.manual_seed(0)
        network = apply_rule(nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 3)), rule)
        x = torch.randn(32, 6)
        target = x[:, :3].argmax(1)
        optimizer = torch.optim.SGD(network.parameters(), lr=0.5)
        losses = []
        for _ in range(30):
            loss = nn.functional.cross_entropy(network(x), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < 0.7 * losses[0], rule
