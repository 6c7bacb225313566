"""-freeze: the hash layer learns, the backbone stays what it was, and everything else goes on working."""

from dataclasses import replace

import pytest
import torch
from training_cases import interrupt_in_epoch

from biodeephashing.backbones import build_network
from biodeephashing.bio import RULES
from biodeephashing.commands.predict import predict
from biodeephashing.commands.train import train
from biodeephashing.training import fit
from biodeephashing.training.checkpoints import read_checkpoint
from biodeephashing.training.data_module import Feeding
from biodeephashing.training.loop import validated


def first_weights(settings):
    torch.manual_seed(settings.seed)
    return build_network(settings.backbone, bits=settings.number_of_bits).state_dict()


@pytest.mark.parametrize(
    "changes", [{"mode": rule} for rule in RULES] + [{"constrain_norm": True}, {"align_every": 1}, {"optimizer": "sgd"}], ids=str
)
def test_the_backbone_stays_and_the_hash_layer_learns(settings, changes):
    settings = replace(settings, freeze=True, epochs=2, learning_rate=1e-2, **changes)
    run = train(settings, quiet=True)
    assert "-freeze" in run.directory.name
    before, after = first_weights(settings), read_checkpoint(run.best_checkpoint)["network"]
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"hash_layer.weight", "hash_layer.bias"}
    predict(settings, quiet=True)


def test_without_it_the_backbone_learns(settings):
    run = train(replace(settings, epochs=1, learning_rate=1e-2), quiet=True)
    before, after = first_weights(settings), read_checkpoint(run.best_checkpoint)["network"]
    assert not any(torch.equal(before[name], after[name]) for name in before if name.endswith("weight"))


@pytest.mark.parametrize(("architecture", "mode"), [("resnet20", "bp"), ("bio-resnet20", "fa")])
def test_a_frozen_backbone_gathers_no_statistics_and_drops_nothing_out(settings, monkeypatch, architecture, mode):
    settings = replace(settings, freeze=True, epochs=2, architecture=architecture, mode=mode)
    modes = []
    original = fit.HashingModule.training_step

    def step(self, *arguments):
        modes.append((self.network.backbone.training, self.network.hash_layer.training, self.loss.training))
        return original(self, *arguments)

    monkeypatch.setattr(fit.HashingModule, "training_step", step)
    run = train(settings, quiet=True)
    assert set(modes) == {(False, True, True)}
    before, after = first_weights(settings), read_checkpoint(run.best_checkpoint)["network"]
    statistics = [name for name in before if "running" in name]
    assert statistics
    assert all(torch.equal(before[name], after[name]) for name in statistics)


def inputs_of_training(settings, patch):
    """Train a run and return it with the number of axes of what its steps were given."""
    axes = set()
    original = fit.HashingModule.training_step

    def step(self, batch, number):
        axes.add(batch[0].ndim)
        return original(self, batch, number)

    patch.setattr(fit.HashingModule, "training_step", step)
    return train(settings, quiet=True), axes


def test_what_a_frozen_backbone_makes_of_images_is_computed_once(settings, monkeypatch):
    settings = replace(settings, freeze=True, epochs=3, learning_rate=1e-2, precision="64")  # features differ in the last places
    with monkeypatch.context() as patch:
        once, axes = inputs_of_training(settings, patch)
    assert axes == {2}
    with monkeypatch.context() as patch:
        patch.setattr(Feeding, "become_features", lambda *_: False)
        always, axes = inputs_of_training(replace(settings, experiment_name="always"), patch)
    assert axes == {4}
    one, other = (read_checkpoint(run.last_checkpoint)["state_dict"] for run in (once, always))
    assert all(torch.allclose(one[name], other[name], atol=1e-9) for name in other)
    assert validated(once) == validated(always)


def test_of_images_that_change_nothing_is_kept(settings, monkeypatch):
    assert inputs_of_training(replace(settings, freeze=True, epochs=1, transformations="cifar-aug"), monkeypatch)[1] == {4}


def test_a_frozen_training_resumes_where_it_was(settings, monkeypatch):
    settings = replace(settings, freeze=True, patience=9)
    whole = read_checkpoint(train(replace(settings, experiment_name="whole"), quiet=True).last_checkpoint)["state_dict"]
    with monkeypatch.context() as patch:
        interrupt_in_epoch(patch, 2, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            train(settings, quiet=True)
    resumed = read_checkpoint(train(settings, quiet=True).last_checkpoint)["state_dict"]
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
