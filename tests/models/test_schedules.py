"""Learning rates: of each group, over epochs and steps, and after a resume."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from training_cases import equal, interrupt_in_epoch, weights

from biodeephashing.commands.train import train
from biodeephashing.data import load_fold
from biodeephashing.losses import LOSSES
from biodeephashing.losses.dch import DCH
from biodeephashing.models.PenaltyStrategies.loss import build_loss
from biodeephashing.training import callbacks, fit
from biodeephashing.training.checkpoints import read_checkpoint

STEPS = 4  # per epoch: 32 images, 8 a batch


class WithHead(DCH):
    """A loss with weights of its own, which learn at a third of the hash layer's rate."""

    def __init__(self, **shared):
        super().__init__(**shared)
        self.head = nn.Linear(self.bits, self.classes)

    def output_term(self, outputs, labels, index):
        return nn.functional.cross_entropy(self.head(outputs), labels.to(outputs.dtype))

    def parameter_groups(self, learning_rate):
        return [{"params": list(self.head.parameters()), "lr": learning_rate / 3}]


@pytest.fixture
def settings(settings, monkeypatch):
    monkeypatch.setitem(LOSSES._entries, "DCH", WithHead)
    return settings


@pytest.fixture
def seen(monkeypatch):
    """The rates of all groups that each step is made with."""
    rates = []

    def note(self, trainer, module, optimizer):
        rates.append([group["lr"] for group in optimizer.param_groups])

    monkeypatch.setattr(callbacks.MetricLogger, "on_before_optimizer_step", note, raising=False)
    return rates


def expected(schedule, epochs=3, rate=1e-3, hash_rate=10.0):
    factors = {
        "constant": lambda epoch, step: 1.0,
        "step:1:0.5": lambda epoch, step: 0.5**epoch,
        "step:2:0.1": lambda epoch, step: 0.1 if epoch >= 2 else 1.0,
        "steps:3:0.1": lambda epoch, step: 0.1 ** (step // 3),
        "cosine": lambda epoch, step: 0.5 + 0.5 * math.cos(math.pi * epoch / epochs),
    }
    rates = [rate, hash_rate * rate, hash_rate * rate / 3]
    return [pytest.approx([factors[schedule](step // STEPS, step) * r for r in rates], rel=1e-12) for step in range(epochs * STEPS)]


@pytest.mark.parametrize("schedule", ["constant", "step:1:0.5", "step:2:0.1", "steps:3:0.1", "cosine"])
def test_a_schedule_changes_the_rates_of_all_groups(settings, seen, schedule):
    train(replace(settings, schedule=schedule, patience=9, min_delta=0.0), quiet=True)
    assert seen == expected(schedule)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("schedule", ["step:1:0.5", "steps:3:0.1", "cosine"])
def test_a_schedule_survives_a_resume(settings, seen, monkeypatch, schedule, optimizer):
    settings = replace(settings, schedule=schedule, optimizer=optimizer, patience=9)
    whole = train(replace(settings, experiment_name="whole"), quiet=True)
    seen.clear()
    with monkeypatch.context() as patch:
        interrupt_in_epoch(patch, 2, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            train(settings, quiet=True)
    del seen[2 * STEPS :]  # what was begun of the broken epoch is done again
    run = train(settings, quiet=True)
    assert seen == expected(schedule)
    assert equal(weights(run), weights(whole))
    one, other = (read_checkpoint(each.last_checkpoint)["state_dict"]["loss.head.weight"] for each in (run, whole))
    assert torch.equal(one, other)


def groups_of(settings):
    module = fit.build_module(settings, load_fold(settings.database, "train"), build_loss, fresh=True)
    return module, module.configure_optimizers()["optimizer"].param_groups


@pytest.mark.parametrize("hash_rate", [1.0, 2.5, 20.0])
def test_hash_rate_is_that_of_the_hash_layer_and_of_the_loss(settings, hash_rate):
    module, groups = groups_of(replace(settings, hash_rate=hash_rate))
    assert [group["lr"] for group in groups] == pytest.approx([1e-3, 1e-3 * hash_rate, 1e-3 * hash_rate / 3])
    parts = (module.network.backbone, module.network.hash_layer, module.loss.head)
    for group, part in zip(groups, parts, strict=True):
        assert [id(p) for p in group["params"]] == [id(p) for p in part.parameters()]


def test_nesterov_is_sgd_that_looks_ahead(settings):
    _, groups = groups_of(replace(settings, optimizer="nesterov"))
    assert all(group["nesterov"] and group["momentum"] == 0.9 and group["weight_decay"] == 0.0005 for group in groups)
    plain = weights(train(replace(settings, optimizer="sgd", epochs=1), quiet=True))
    ahead = weights(train(replace(settings, optimizer="nesterov", epochs=1), quiet=True))
    assert not equal(plain, ahead)
