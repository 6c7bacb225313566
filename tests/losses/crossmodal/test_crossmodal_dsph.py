"""DSPH: the separation it takes, and the rate of its proxies."""

import pytest
import torch

from biodeephashing.losses.crossmodal import DSPH


@pytest.mark.parametrize(("bits", "classes", "expected"), [(32, 25, 0.125), (16, 100, 0.25), (32, 2, 0.125)])
def test_the_separation_is_that_of_the_code_and_at_least_an_eighth(bits, classes, expected):
    assert DSPH(bits=bits, classes=classes, train_size=9, similar_probability=0.5).separation == expected


def test_proxies_learn_at_a_multiple_of_the_rate_of_the_towers():
    loss = DSPH(bits=8, classes=3, train_size=9, similar_probability=0.5, proxy_rate=20)
    (group,) = loss.parameter_groups(1e-3)
    assert group["params"] == [loss.proxies]
    assert group["lr"] == pytest.approx(0.02)


def test_proxies_get_a_gradient_from_both_modalities():
    torch.manual_seed(0)
    loss = DSPH(bits=8, classes=3, train_size=9, similar_probability=0.5)
    loss(torch.randn(4, 8), torch.randn(4, 8), torch.eye(3)[[0, 1, 2, 0]], torch.arange(4)).backward()
    assert (loss.proxies.grad.abs().sum(1) > 0).all()
