"""Alignment while a network trains: what is measured and where it goes, and that training does not notice."""

import csv
import math
import re
from dataclasses import replace

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from training_cases import interrupt_in_epoch, train_and_break_off

from biodeephashing.backbones import BACKBONES, Backbone
from biodeephashing.bio import QUANTITIES, RULES, give_target, measure_alignment
from biodeephashing.commands.train import train
from biodeephashing.data import ImageFold, load_fold, loader, normalise
from biodeephashing.errors import RunError
from biodeephashing.losses import LOSSES
from biodeephashing.losses.dch import DCH
from biodeephashing.models.PenaltyStrategies.loss import build_loss
from biodeephashing.runs import Run
from biodeephashing.runs.alignment_csv import read_alignment
from biodeephashing.tracking import Tracker
from biodeephashing.training import callbacks, fit
from biodeephashing.training.checkpoints import read_checkpoint
from biodeephashing.training.learner import convert

LENET = ["features.0", "features.3", "classifier.0", "hash_layer"]


class Changing(nn.Module):
    """A backbone in which much changes with every forward pass: running statistics, and random numbers."""

    num_features = 6

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 8, stride=8)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.5)
        self.linear = nn.Linear(64, 6)

    def forward(self, images):
        return self.drop(self.linear(self.drop(self.norm(self.conv(images)).relu()).flatten(1)).relu())


class Drifting(DCH):
    """A loss with a centre that every forward pass moves, by replacing the buffer, and a count that it raises in place."""

    def __init__(self, **keywords):
        super().__init__(**keywords)
        self.register_buffer("centre", torch.zeros(self.bits))
        self.register_buffer("calls", torch.zeros(()))

    def objective(self, codes, labels, index):
        self.calls += 1
        self.centre = 0.9 * self.centre + 0.1 * codes.detach().mean(0)
        return super().objective(codes, labels, index) + (codes - self.centre).square().mean() * (1 + self.calls)


@pytest.fixture
def changing(settings, monkeypatch):
    """Settings of a run whose network and noise change with every forward pass."""
    monkeypatch.setitem(BACKBONES._entries, "vgg16", lambda: Backbone(Changing))
    return replace(settings, architecture="bio-vgg16", weights="none", HSWD_penalty=0.1, epochs=2)


def rows_of(run):
    with run.alignment_file.open(newline="") as stream:
        return list(csv.DictReader(stream))


def same(one, other):
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def check_that_training_does_not_notice(settings):
    outcomes = []
    for every, name in ((0, "without"), (1, "with")):
        run = train(replace(settings, align_every=every, experiment_name=name), quiet=True)
        content = read_checkpoint(run.last_checkpoint)
        outcomes.append({key: content[key] for key in ("state_dict", "optimizer_states", "follower", "learning_rule", "loops")})
        outcomes[-1]["best"] = read_checkpoint(run.best_checkpoint)["network"]
        outcomes[-1]["random"] = torch.get_rng_state()
    assert run.alignment_file.exists()
    for key in outcomes[0]:
        assert same(outcomes[0][key], outcomes[1][key]), key


@pytest.mark.parametrize("rule", RULES)
def test_training_does_not_notice(changing, rule):
    """Not one bit differs: weights, running statistics, noise, the loss's schedule, the optimiser and the feedback that follows it."""
    check_that_training_does_not_notice(replace(changing, mode=rule, loss="HashNet"))


def test_a_loss_that_moves_with_every_pass_does_not_notice_either(changing, monkeypatch):
    monkeypatch.setitem(LOSSES._entries, "DCH", Drifting)
    check_that_training_does_not_notice(replace(changing, mode="bp"))
    rows = rows_of(Run.of(replace(changing, mode="bp", experiment_name="with")))
    assert {row["update_angle"] for row in rows} == {"0.0"}  # both passes of a measurement saw the same centre


def test_flags_gradients_and_counters_stay(changing, monkeypatch):
    from biodeephashing.training import alignment

    seen = []

    def watched(network, loss, **keywords):
        before = [part.training for part in network.modules()], [p.grad for p in network.parameters()]
        found = measure_alignment(network, loss, **keywords)
        after = [part.training for part in network.modules()], [p.grad for p in network.parameters()]
        assert before[0] == after[0]
        assert all(one is other for one, other in zip(before[1], after[1], strict=True))
        seen.append(all(before[0]))
        return found

    monkeypatch.setattr(alignment, "measure_alignment", watched)
    train(replace(changing, align_every=1), quiet=True)
    assert seen == [True, True, True]  # in training mode, as training is


@pytest.mark.parametrize(("every", "epochs", "expected"), [(1, 3, [0, 1, 2, 3]), (2, 3, [0, 2, 3]), (2, 4, [0, 2, 4]), (9, 3, [0, 3])])
def test_curves_go_from_nothing_to_the_end(settings, every, epochs, expected):
    rows = rows_of(train(replace(settings, align_every=every, epochs=epochs), quiet=True))
    assert list(rows[0]) == ["epoch", "layer", "rule", *QUANTITIES]
    assert [(int(row["epoch"]), row["layer"]) for row in rows] == [(epoch, layer) for epoch in expected for layer in LENET]


def test_a_curve_ends_where_training_stops_early(settings):
    run = train(replace(settings, epochs=12, patience=1, min_delta=0.9, align_every=5), quiet=True)
    trained = read_checkpoint(run.last_checkpoint)["epoch"] + 1
    assert trained < 12
    assert sorted({int(row["epoch"]) for row in rows_of(run)}) == [0, trained]


def test_numbers_are_those_of_the_network_its_loss_and_its_batch(settings):
    """The first row again from scratch: the same network, the batch that the order of the epoch begins with."""
    run = train(replace(settings, align_every=1, epochs=1, mode="features.3=dfa,*=usf"), quiet=True)
    fold = load_fold(settings.database, "train")
    module = fit.build_module(settings, fold, build_loss, fresh=True)
    convert(module.network, replace(settings, mode="features.3=dfa,*=usf"))
    batches = loader(ImageFold(fold, "none"), batch_size=8, num_workers=0, shuffle=True, seed=0)
    batches.sampler.set_epoch(0)
    images, labels, index = next(iter(batches))
    images = normalise(images)

    def loss():
        give_target(module.network, labels)
        return module.loss(module.network(images), labels, index)

    rows = rows_of(run)
    for row, one in zip(rows[:4], measure_alignment(module.network, loss), strict=True):
        assert row["rule"] == one.rule == ("dfa" if row["layer"] == "features.3" else "usf")
        for quantity in QUANTITIES:
            value = float(row[quantity] or "nan")
            assert value == pytest.approx(getattr(one, quantity), rel=1e-3, abs=1e-3, nan_ok=True)
    assert [row["weight_angle"] == "" for row in rows[:4]] == [False, True, False, False]
    module.network.load_state_dict(read_checkpoint(run.best_checkpoint)["network"])
    for row, one in zip(rows[4:], measure_alignment(module.network), strict=True):
        assert float(row["weight_angle"] or "nan") == pytest.approx(one.weight_angle, rel=1e-6, nan_ok=True)


def test_curves_go_to_mlflow_and_tensorboard(settings, monkeypatch):
    logged = []

    class Recorder(Tracker):
        def log_metrics(self, metrics, step=None):
            logged.extend((name, value, step) for name, value in metrics.items())

    monkeypatch.setattr(callbacks, "open_tracker", lambda *_, **__: Recorder())
    run = train(replace(settings, align_every=2, mode="dfa"), quiet=True)
    curves = {name: [(step, value) for other, value, step in logged if other == name] for name, _, _ in logged if "/" in name}
    expected = {f"update_angle/{layer}" for layer in LENET} | {f"{quantity}/hash_layer" for quantity in QUANTITIES}
    assert set(curves) == expected  # what does not exist, as W's angle with dfa's B below the last layer, is left out
    for name, points in curves.items():
        assert re.fullmatch(r"[\w.\-/ :]+", name)  # what MLflow allows
        assert [step for step, _ in points] == [0, 2, 3]
        assert all(math.isfinite(value) for _, value in points)
        quantity, _, layer = name.partition("/")
        assert [value for _, value in points] == [float(row[quantity]) for row in rows_of(run) if row["layer"] == layer]
    board = EventAccumulator(str(run.logs / "version_0")).Reload()
    assert {tag for tag in board.Tags()["scalars"] if tag.partition("/")[0] in QUANTITIES} == expected
    for name, points in curves.items():
        scalars = board.Scalars(name)
        assert [scalar.step for scalar in scalars] == [0, 2, 3]
        assert [scalar.value for scalar in scalars] == pytest.approx([value for _, value in points], rel=1e-6)


def test_a_resumed_run_goes_on_with_its_curve(settings, monkeypatch):
    settings = replace(settings, epochs=4, align_every=2, mode="kp")
    whole = train_and_break_off(monkeypatch, settings, 2)
    run = Run.of(settings)
    assert [int(row["epoch"]) for row in rows_of(run)[::4]] == [0, 2]
    train(settings, quiet=True)
    assert run.alignment_file.read_text() == whole.alignment_file.read_text()


def test_measuring_may_begin_late_and_no_skip_begins_again(settings, monkeypatch):
    with monkeypatch.context() as patch:
        interrupt_in_epoch(patch, 1, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            train(settings, quiet=True)
    run = Run.of(settings)
    assert not run.alignment_file.exists()
    train(replace(settings, align_every=1), quiet=True)
    assert [int(row["epoch"]) for row in rows_of(run)[::4]] == [1, 2, 3]
    train(replace(settings, no_skip=True), quiet=True)
    assert not run.alignment_file.exists()


def test_a_damaged_table_is_named(settings, monkeypatch):
    settings = replace(settings, align_every=1)
    with monkeypatch.context() as patch:
        interrupt_in_epoch(patch, 1, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            train(settings, quiet=True)
    run = Run.of(settings)
    run.alignment_file.write_text("epoch,layer\n")
    assert read_alignment(run.alignment_file) == []
    run.alignment_file.write_text("epoch,layer,rule\nsome,thing,else\n")
    with pytest.raises(RunError, match=r"alignment\.csv is damaged .*remove it"):
        train(settings, quiet=True)
    assert run.status == "interrupted"


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["32", "bf16-mixed", "16-mixed"])
def test_a_gpu_measures(settings, precision):
    rows = rows_of(train(replace(settings, device="cuda", precision=precision, align_every=1, mode="bp"), quiet=True))
    angles = [float(row["update_angle"]) for row in rows if row["update_angle"]]
    assert angles
    assert max(angles) < 1.0
