"""Networks for bags of words: the numbers of their first layers, their shapes, and what they refuse."""

import pytest
import torch
from many_cases import each_case

from biodeephashing.backbones.texts import TEXT_BACKBONES, build_text_network
from biodeephashing.bio import RULES, apply_rule, check_reach, give_target, track_optimizer
from biodeephashing.errors import UsageError

NAMES = ["linear", "mlp", "mlp:8,6", "ms", "ms_residual"]


@each_case("name", NAMES)
def test_codes_of_many_and_of_one_text(name):
    network = build_text_network(name, words=70, bits=8).eval()
    rows = (torch.rand(3, 70) < 0.1).float()
    assert network(rows).shape == (3, 8)
    assert network(rows[:1]).shape == (1, 8)
    assert network.backbone(rows).shape == (3, network.backbone.num_features)


@each_case("width", [3, 70])
def test_each_scale_is_a_mean_over_neighbouring_words(width):
    rows = torch.randint(2, (2, width), generator=torch.Generator().manual_seed(0)).float()
    scales = TEXT_BACKBONES["ms"](width, "").scales
    found = scales(rows)
    assert found.shape == (2, 6, width)
    assert torch.equal(found[:, 0], rows)
    with torch.no_grad():
        scales.scales[1].weight.fill_(-2.0)
        scales.scales[1].bias.fill_(0.5)
    changed = scales(rows)[:, 2]
    for row in range(2):
        for channel, window in enumerate((5, 10, 15, 30, 50), 1):
            size = min(window, width)
            whole = width // size  # windows; a rest that is shorter is left out, and windows are stretched over it
            for column in range(width):
                first = column * whole // width * size
                mean = sum(rows[row, first : first + size].tolist()) / size
                assert found[row, channel, column].item() == pytest.approx(mean, abs=1e-6)
                if channel == 2:
                    assert changed[row, column].item() == pytest.approx(max(0.0, 0.5 - 2 * mean), abs=1e-6)


def test_a_row_is_normalised_over_two_neighbours():
    norm = TEXT_BACKBONES["ms"](10, "").hidden[3]
    row = [3.0, -40.0, 100.0]
    found = norm(torch.tensor([row]))[0].tolist()
    for place, value in enumerate(row):
        squares = sum(row[near] ** 2 for near in (place - 1, place) if near >= 0)
        assert found[place] == pytest.approx(value / (2 + 1e-4 * squares / 2) ** 0.75, rel=1e-5)


@each_case("rule", RULES)
@pytest.mark.parametrize("name", NAMES)
def test_every_rule_reaches_every_layer(name, rule):
    network = build_text_network(name, words=20, bits=4)
    rows = torch.rand(3, 20)
    check_reach(apply_rule(network, rule).eval(), rows)
    track_optimizer(network.train(), torch.optim.SGD(network.parameters(), lr=0.1))
    give_target(network, torch.eye(3))
    network(rows).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in network.parameters())


@each_case("name", ["linear", "ms", "ms_residual"])
def test_nothing_stands_behind_the_colon(name):
    with pytest.raises(UsageError, match=f"{name}:3: {name} takes nothing behind a colon"):
        TEXT_BACKBONES[name](5, "3")
