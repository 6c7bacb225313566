"""-train_only: the layers named learn, all others keep weights and statistics, whatever the rule."""

import math
from dataclasses import replace

import pytest
import torch

from biodeephashing.commands.predict import predict
from biodeephashing.commands.train import train
from biodeephashing.errors import BioDeepHashingError, UsageError
from biodeephashing.models.PenaltyStrategies import Settings
from biodeephashing.runs.alignment_csv import read_alignment
from biodeephashing.training import fit
from biodeephashing.training.checkpoints import read_checkpoint


def moved_in(chosen, monkeypatch):
    """Train and return the run, and the names of what changed in the network."""
    before = {}
    original = fit.HashingModule.on_fit_start

    def on_fit_start(self):
        before.update({name: value.clone() for name, value in self.network.state_dict().items()})
        original(self)

    monkeypatch.setattr(fit.HashingModule, "on_fit_start", on_fit_start)
    run = train(chosen, quiet=True)
    after = read_checkpoint(run.best_checkpoint)["network"]
    return run, {name for name in after if name in before and not torch.equal(before[name], after[name])}


@pytest.mark.parametrize(
    "mode", ["frsf", "dfa", *(pytest.param(mode, marks=pytest.mark.slow) for mode in ("bp", "kp", "classifier-only:fa"))]
)
def test_the_layers_named_learn_alone(settings, mode, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    chosen = replace(
        settings,
        architecture="bio-resnet20",
        weights="none",
        mode=mode,
        train_only="layer3.2.*,bn1",
        epochs=1,
        align_every=1,
        min_delta=0.0,
    )
    run, moved = moved_in(chosen, monkeypatch)
    assert "train_only" in run.directory.name
    learning = {name for name in moved if "feedback" not in name}
    assert {name.removeprefix("backbone.").rsplit(".", 1)[0] for name in learning} == {
        "hash_layer", "bn1", "layer3.2.conv1", "layer3.2.conv2", "layer3.2.bn1", "layer3.2.bn2",
    }  # fmt: skip
    assert {name for name in learning if "running" in name} == {
        f"backbone.{layer}.running_{what}" for layer in ("bn1", "layer3.2.bn1", "layer3.2.bn2") for what in ("mean", "var")
    }
    measured = {row.layer for row in read_alignment(run.alignment_file) if math.isfinite(row.values["update_angle"])}
    assert measured == {"hash_layer", "layer3.2.conv1", "layer3.2.conv2"}
    predict(chosen, quiet=True)


def test_a_pattern_that_names_no_layer_is_refused_with_the_nearest(settings, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BioDeepHashingError, match=r"(?s)-train_only.*'layr3\.2\.conv1'.*'layer3\.2\.conv1'"):
        train(replace(settings, architecture="bio-resnet20", weights="none", train_only="layr3.2.conv1"), quiet=True)


def test_patterns_are_written_one_way():
    assert Settings(architecture="bio-resnet18", train_only=" layer4.*, ,fc,").train_only == "layer4.*,fc"
    with pytest.raises(UsageError, match="-train_only ', '"):
        Settings(architecture="bio-resnet18", train_only=", ")


def test_freeze_and_train_only_exclude_each_other():
    with pytest.raises(UsageError, match=r"-freeze.*-train_only blocks\.6"):
        Settings(architecture="bio-efficientnet_lite0", freeze=True, train_only="blocks.6.*")
