"""What tests of training look at, and how they break it off."""

from dataclasses import replace

import pytest
import torch

from biodeephashing.models.PenaltyStrategies import _callbacks
from biodeephashing.models.PenaltyStrategies._checkpoints import read_checkpoint
from biodeephashing.models.PenaltyStrategies.train import train
from biodeephashing.runs import Run


def weights(run: Run) -> dict[str, torch.Tensor]:
    return {key: value for key, value in read_checkpoint(run.last_checkpoint)["state_dict"].items() if key.startswith("network.")}


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def interrupt_in_epoch(monkeypatch, epoch, error):
    """Make training break off in the middle of an epoch."""

    def break_off(self, trainer, module, batch, index):
        if trainer.current_epoch == epoch and index == 1:
            raise error

    monkeypatch.setattr(_callbacks.Curves, "on_train_batch_start", break_off, raising=False)


def train_and_break_off(monkeypatch, settings, epoch) -> Run:
    """Train once to the end under another name, once until an epoch is broken off, and return the whole run."""
    whole = train(replace(settings, experiment_name="whole"), quiet=True)
    with monkeypatch.context() as patch:
        interrupt_in_epoch(patch, epoch, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            train(settings, quiet=True)
    return whole
