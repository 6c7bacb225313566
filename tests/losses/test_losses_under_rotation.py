"""A rotation of all outputs changes no loss that says nothing of fixed axes: only such a loss may be rotated after training."""

import pytest
import torch
from loss_cases import BITS, batch, build

from biodeephashing.codes.rotations import random_rotation
from biodeephashing.losses import LOSSES

FIXED = "BiHalf CSQ DBDH DPN GreedyHash GreedyHashUnsupervised IDHN ISDH LCDSH OrthoHash"
FREE = sorted(name for name in LOSSES if not LOSSES[name].fixed_axes and not LOSSES[name].own_relaxation)


def test_the_losses_with_fixed_axes():
    assert sorted(name for name in LOSSES if LOSSES[name].fixed_axes) == FIXED.split()


def values(name, **changes):
    """Return a loss of a batch, and that of the batch rotated together with what the loss learns of codes."""
    loss, turn = build(name, cube=False, **changes).double(), random_rotation(BITS, torch.Generator().manual_seed(1))
    outputs, labels, index = batch(rows=9)
    before = loss(outputs, labels, index).item()
    with torch.no_grad():
        for parameter in loss.parameters():
            if parameter.shape[-1] == BITS:  # proxies, and the rows of a linear head
                parameter.copy_(parameter @ turn.T)
    return before, loss(outputs @ turn.T, labels, index).item()


@pytest.mark.parametrize("name", FREE)
def test_a_loss_of_free_axes(name):
    before, after = values(name, penalty=0.0)
    assert after == pytest.approx(before, rel=1e-9)
    if LOSSES[name].has_penalty:
        before, after = values(name, penalty=0.5)
        assert (after == pytest.approx(before, rel=1e-9)) is not LOSSES[name].draws_to_corners
