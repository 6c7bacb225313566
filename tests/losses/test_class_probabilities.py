"""What a loss says of the classes is what it minimises: the mean of -log p, with everything else switched off."""

from __future__ import annotations

import pytest
import torch

from biodeephashing.losses import LOSSES, HashingLoss

HEADS = {"GreedyHash": {}, "DSHSD": {"contrast": 0.0}, "OrthoHash": {"margin": 0.0}}


def build(name: str, **more):
    torch.manual_seed(0)
    return LOSSES[name](bits=8, classes=3, train_size=6, similar_probability=0.3, penalty=0.0, **more)


@pytest.mark.parametrize("name", HEADS)
def test_the_loss_is_the_cross_entropy_of_these_probabilities(name):
    loss, labels, outputs = build(name, **HEADS[name]), torch.eye(3)[[0, 1, 2, 0, 1, 2]], torch.randn(6, 8)
    loss(outputs, labels, torch.arange(6))  # running statistics, where there are any
    loss.eval()
    affine = loss.affine()
    features = outputs if affine is None else affine[0] * outputs + affine[1]
    probabilities = loss.class_probabilities(features)
    assert torch.allclose(probabilities.sum(1), torch.ones(6))
    assert loss(outputs, labels, torch.arange(6)).item() == pytest.approx(-(labels * probabilities.log()).sum(1).mean().item(), rel=1e-5)


@pytest.mark.parametrize("name", ["GreedyHash", "DSHSD"])
def test_classes_of_their_own(name):
    loss, labels, outputs = build(name, multi_label=True, **HEADS[name]), torch.tensor([[1.0, 1, 0], [0, 0, 0]]), torch.randn(2, 8)
    chances = loss.class_probabilities(outputs)
    entropy = -(labels * chances.log() + (1 - labels) * (1 - chances).log())
    wanted = entropy.mean() * (3 if name == "DSHSD" else 1)
    assert loss(outputs, labels, torch.arange(2)).item() == pytest.approx(wanted.item(), rel=1e-5)


def test_the_others_learn_no_classifier():
    assert {name for name, loss in LOSSES.items() if loss.class_probabilities is not HashingLoss.class_probabilities} == set(HEADS)
