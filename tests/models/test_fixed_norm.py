"""-fixed_norm: batch norm keeps the mean and variance that it begins with, its scale and shift learn, and all else goes on."""

from dataclasses import replace

import pytest
import torch
from training_cases import interrupt_in_epoch, weights

from biodeephashing.backbones import build_network
from biodeephashing.commands.predict import predict
from biodeephashing.commands.train import train
from biodeephashing.errors import UsageError
from biodeephashing.models.CrossModal.settings import Settings as CrossModalSettings
from biodeephashing.models.PenaltyStrategies import Settings
from biodeephashing.runs import Run, read_json
from biodeephashing.training import fit
from biodeephashing.training.checkpoints import read_checkpoint
from biodeephashing.training.checks import check_batches
from biodeephashing.training.notes import notes_of


@pytest.fixture
def pretrained(settings, tmp_path, monkeypatch):
    """Return settings of a training from weights with statistics of their own."""
    torch.manual_seed(1)
    donor = build_network("resnet20", bits=4).backbone
    for _ in range(4):
        donor(torch.randn(16, 3, 32, 32))
    monkeypatch.chdir(tmp_path)  # a short path makes a name that a directory can have
    torch.save(donor.state_dict(), "donor.pth")
    return replace(settings, architecture="bio-resnet20", weights="donor.pth", fixed_norm=True, epochs=1)


def changed(chosen, run):
    before = torch.load(chosen.weights, weights_only=True)
    after = read_checkpoint(run.best_checkpoint)["network"]
    return {name for name in before if not torch.equal(before[name], after[f"backbone.{name}"])}, before


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": "conv1=bp,*=frsf"},
        {"freeze": True},
        *(pytest.param(changes, marks=pytest.mark.slow) for changes in ({"mode": "bp"}, {"constrain_norm": True}, {"align_every": 1})),
    ],
    ids=str,
)
def test_statistics_stay_and_scale_and_shift_learn(pretrained, changes):
    chosen = replace(pretrained, **changes)
    run = train(chosen, quiet=True)
    assert "-fixed_norm" in run.directory.name
    assert read_json(run.hparams_file)["fixed_norm"] is True
    moved, before = changed(chosen, run)
    statistics = {name for name in before if "running" in name or "num_batches" in name}
    assert statistics
    assert moved == (set() if chosen.freeze else before.keys() - statistics)
    predict(chosen, quiet=True)


def test_without_it_they_follow_the_batches_and_files_stay_as_they_were(pretrained):
    chosen = replace(pretrained, fixed_norm=False)
    run = train(chosen, quiet=True)
    moved, before = changed(chosen, run)
    assert moved == before.keys()
    assert "fixed_norm" not in run.directory.name
    assert "fixed_norm" not in read_json(run.hparams_file)


def test_training_sees_what_evaluation_sees(pretrained, monkeypatch):
    outputs = []
    original = fit.HashingModule.loss_of

    def loss_of(self, batch):
        if self.trainer.training:
            with torch.no_grad():
                norms = {type(part).__name__: part.training for part in self.network.modules() if "Norm" in type(part).__name__}
                outputs.append((norms, self.network.training, self.network(batch[0])))
                outputs[-1] += (self.network.eval()(batch[0]),)
                self.train()
        return original(self, batch)

    monkeypatch.setattr(fit.HashingModule, "loss_of", loss_of)
    train(pretrained, quiet=True)
    assert len(outputs) > 1
    for norms, training, seen, evaluated in outputs:
        assert norms == {"BatchNorm2d": False}
        assert training
        torch.testing.assert_close(seen, evaluated)


@pytest.mark.slow
def test_it_resumes_where_it_was(pretrained, monkeypatch):
    chosen = replace(pretrained, epochs=3, patience=9)
    whole = weights(train(replace(chosen, experiment_name="whole"), quiet=True))
    with monkeypatch.context() as patch:
        interrupt_in_epoch(patch, 2, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            train(chosen, quiet=True)
    resumed = weights(train(chosen, quiet=True))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_without_batch_norm_it_is_refused_before_anything_is_written(settings):
    chosen = replace(settings, fixed_norm=True)
    with pytest.raises(UsageError, match=r"-fixed_norm.*lenet has no batch norm"):
        train(chosen, quiet=True)
    assert not Run.of(chosen).directory.exists()


def test_one_image_is_a_batch_to_it():
    network, image = build_network("resnet18", bits=4), torch.zeros(3, 32, 32)
    chosen = Settings(architecture="resnet18", batch_size=1)
    with pytest.raises(UsageError, match="batch norm in resnet18 needs more"):
        check_batches(network, image, chosen)
    check_batches(network, image, replace(chosen, fixed_norm=True))


def test_of_two_towers_that_of_the_images_has_pretrained_statistics():
    chosen = CrossModalSettings(architecture="resnet20", fixed_norm=True)
    assert [chosen.tower(name).fixed_norm for name in ("image", "text")] == [True, False]


def test_what_is_known_of_rule_and_rate_is_said_once_for_pretrained_weights():
    known = {"architecture": "bio-resnet18", "learning_rate": 1e-4}
    for changes, facts in [
        ({"mode": "fa"}, ["-mode fa", "0.598"]), ({"mode": "fa", "learning_rate": 1e-5, "fixed_norm": True}, ["-mode fa", "1e-05"]),
        ({"mode": "drtp"}, ["-mode drtp", "0.397"]), ({"mode": "frsf"}, ["-mode frsf", "0.638"]),
        ({"mode": "layer1.*=bp,*=dfa"}, ["*=dfa", "0.624"]), ({"mode": "all-but-hash-layer:fa"}, ["layer:fa", "0.598"]),
        ({"architecture": "resnet20", "mode": "bp", "fixed_norm": True}, ["mean 0 and variance 1"]),
    ]:  # fmt: skip
        (note,) = notes_of(Settings(**known | changes))
        assert all(fact in note for fact in facts), note
    for changes in [
        {"mode": "frsf", "learning_rate": 3e-5}, {"mode": "fa", "freeze": True}, {"mode": "fa", "weights": "none"}, {"mode": "bp"},
        {"mode": "usf", "fixed_norm": True}, {"mode": "brsf", "learning_rate": 3e-5}, {"architecture": "bio-lenet", "mode": "fa"},
        {"architecture": "bio-mlp:8", "mode": "fa"}, {"mode": "fa", "train_only": "layer4.*"},
        {"mode": "classifier-only:fa"}, {"mode": "hash_layer=fa,*=bp"},
    ]:  # fmt: skip
        assert not notes_of(Settings(**known | changes)), changes
