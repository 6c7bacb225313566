"""The penalty of DHN: what it leaves when it is 0, where it pulls, and that its cosh never overflows."""

import math

import pytest
import torch
from loss_cases import batch, build, value_and_gradient


def test_without_penalty_it_is_dpsh():
    for scale in (0.5, 1.0):
        chosen = {"penalty": 0.0, "inner_product_scale": scale}
        torch.testing.assert_close(build("DHN", **chosen)(*batch()), build("DPSH", **chosen)(*batch()), rtol=0, atol=0)


@pytest.mark.parametrize(("slip", "towards"), [(False, 1.0), (True, -1.0)])
def test_the_penalty_pulls_to_the_corner_and_with_the_slip_to_the_centre(slip, towards):
    outputs, labels, _ = batch()
    loss, without = (build("DHN", penalty=penalty, bracket_slip=slip) for penalty in (1.0, 0.0))
    pull = value_and_gradient(without, outputs, labels)[1] - value_and_gradient(loss, outputs, labels)[1]
    assert (towards * pull * outputs.sign() > 0).all()


@pytest.mark.parametrize("slip", [False, True])
def test_large_entries_cost_their_size(slip):
    codes = torch.full((1, 8), 1e4)
    loss = build("DHN", penalty=1.0, bracket_slip=slip, cube=False)
    value = loss(codes, torch.ones(1, 4), torch.arange(1))  # similar to itself: the pair costs nothing
    assert value.item() == pytest.approx(8 * (1e4 - 1 - math.log(2)), rel=1e-6)
