"""What tests of training look at, and how they break it off."""

from dataclasses import replace

import pytest
import torch

from biodeephashing.bio import give_target
from biodeephashing.commands.train import train
from biodeephashing.data import load_fold
from biodeephashing.models.PenaltyStrategies import Settings
from biodeephashing.models.PenaltyStrategies.loss import build_loss
from biodeephashing.runs import Run
from biodeephashing.training import callbacks, fit
from biodeephashing.training.checkpoints import read_checkpoint
from biodeephashing.training.learner import convert
from biodeephashing.training.module import HashingModule
from biodeephashing.training.trained_module import Batch


def weights(run: Run) -> dict[str, torch.Tensor]:
    return {key: value for key, value in read_checkpoint(run.last_checkpoint)["state_dict"].items() if key.startswith("network.")}


def steps_by_hand(settings: Settings, batches: list[Batch]) -> HashingModule:
    """Return the module of a run after an optimizer step for each batch, taken without a trainer."""
    train_fold = load_fold(settings.database, "train")
    module = fit.build_module(settings, train_fold, build_loss, fresh=True)
    convert(module.network, settings)
    module.loss.on_fit_start(torch.from_numpy(train_fold.labels).float())
    module.train()
    optimizer = module.configure_optimizers()["optimizer"]
    for batch in batches:
        images, labels, index = module.on_after_batch_transfer(batch, 0)
        give_target(module.network, labels)
        optimizer.zero_grad()
        module.loss(module.network(images), labels, index).backward()
        optimizer.step()
        module.loss.advance()
    return module


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def interrupt_in_epoch(monkeypatch, epoch, error):
    """Make training break off in the middle of an epoch."""

    def break_off(self, trainer, module, batch, index):
        if trainer.current_epoch == epoch and index == 1:
            raise error

    monkeypatch.setattr(callbacks.MetricLogger, "on_train_batch_start", break_off, raising=False)


def train_and_break_off(monkeypatch, settings, epoch) -> Run:
    """Train once to the end under another name, once until an epoch is broken off, and return the whole run."""
    whole = train(replace(settings, experiment_name="whole"), quiet=True)
    with monkeypatch.context() as patch:
        interrupt_in_epoch(patch, epoch, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            train(settings, quiet=True)
    return whole
