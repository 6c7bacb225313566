"""What is particular about HashNetTwoBatch: the halves of the batch, and a batch without a pair."""

import pytest
import torch
from loss_cases import BITS, CLASSES, batch, build, value_and_gradient


@pytest.mark.parametrize("size", [1.0, 1e3, 1e38])
def test_a_batch_of_one_has_loss_and_gradient_zero(size):
    loss = build("HashNetTwoBatch")
    value, gradient = value_and_gradient(loss, torch.full((1, BITS), size), torch.ones(1, CLASSES))
    assert value == 0
    assert torch.equal(gradient, torch.zeros(1, BITS))


def test_pairs_within_a_half_do_not_count():
    outputs, labels, index = batch(5)
    loss = build("HashNetTwoBatch")
    first, second = outputs[:2], outputs[2:]
    pairs = [
        loss(torch.stack([a, b]), torch.stack([y, v]), index[:2])
        for a, y in zip(first, labels[:2], strict=True)
        for b, v in zip(second, labels[2:], strict=True)
    ]
    torch.testing.assert_close(loss(outputs, labels, index), torch.stack(pairs).mean())


def test_class_num_weighs_similar_pairs():
    outputs, _, index = batch(3)
    labels = torch.eye(CLASSES)[[0, 0, 1]]  # the pairs: one similar, one dissimilar
    similar = build("HashNetTwoBatch")(outputs[[0, 1]], labels[[0, 1]], index[:2])
    dissimilar = build("HashNetTwoBatch")(outputs[[0, 2]], labels[[0, 2]], index[:2])
    weighted = build("HashNetTwoBatch", class_num=4.0)(outputs, labels, index)
    torch.testing.assert_close(weighted, (4 * similar + dissimilar) / 5)
