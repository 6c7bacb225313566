"""ADSH: rounds on sampled images, codes of the train fold that are solved for, and the file they are kept in."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from many_cases import each_case
from training_cases import equal, train_and_break_off, weights

from biodeephashing import codes
from biodeephashing.bio import RULES
from biodeephashing.cli import main
from biodeephashing.codes.solvers import adsh_objective, adsh_ratio, adsh_similarity
from biodeephashing.commands.train import train
from biodeephashing.data import load_fold
from biodeephashing.errors import BioDeepHashingError
from biodeephashing.models.ADSH import Settings
from biodeephashing.models.ADSH.loss import ADSHLoss, build_loss
from biodeephashing.models.ADSH.train import main as script
from biodeephashing.runs import Run, runs_of
from biodeephashing.training.checkpoints import read_checkpoint

COMMON = (
    "-db", "TINY", "-exp", "e", "-arch", "bio-lenet", "-nbits", "6", "-trf", "none", "-bs", "8", "-nw", "0", "-device", "cpu",
    "-tracking", "off", "-lr", "0.001",
)  # fmt: skip


@pytest.fixture
def settings(tiny_database):
    """Return the settings of three rounds of two epochs, which train in about a second."""
    return Settings(
        experiment_name="test", database=tiny_database, number_of_bits=6, transformations="none", architecture="bio-lenet",
        mode="frsf", batch_size=8, epochs=6, round_epochs=2, samples=20, learning_rate=1e-3, num_workers=0, device="cpu", tracking="off",
    )  # fmt: skip


@pytest.fixture
def watched(monkeypatch):
    """Record which images each epoch sees, and V before and after each round with what it was solved from."""
    seen, solved = [[]], []
    objective, epoch_end, solve = ADSHLoss.objective, ADSHLoss.on_epoch_end, ADSHLoss._solve

    def see(self, outputs, labels, index):
        assert torch.equal(labels, self.bank.labels[index])
        seen[-1] += index.tolist()
        return objective(self, outputs, labels, index)

    def end(self):
        seen.append([])
        epoch_end(self)

    def remember(self):
        before = self.codes.clone()
        solve(self)
        index = self.bank.written.nonzero().squeeze(1)
        solved.append((before, self.codes.clone(), self.bank.codes[index].clone(), index))

    for name, changed in (("objective", see), ("on_epoch_end", end), ("_solve", remember)):
        monkeypatch.setattr(ADSHLoss, name, changed)
    return seen, solved


def loss_state(run):
    return {name: value for name, value in read_checkpoint(run.last_checkpoint)["state_dict"].items() if name.startswith("loss.")}


def drawn(labels, bits=4, **changes):
    facts = {"samples": 5, "round_epochs": 2, "epochs": 5, "gamma": 3.0, "seed": 0} | changes
    return ADSHLoss(labels, torch.arange(len(labels)), bits, **facts)


def test_a_run_with_its_learned_codes(project_home, tiny_database, capsys):
    words = [*COMMON, "-mode", "fa", "-ep", "4", "-round_ep", "2", "-samples", "20", "-pt", "9"]
    script(words)
    (run,) = runs_of("ADSH/TINY/e")
    assert run.name.endswith("-optim=adam-samples=20-round_ep=2")
    assert run.status == "finished"
    out = capsys.readouterr().out
    assert "batches: 3 of 8 images an epoch; an epoch draws 20 of the 32 train images" in out
    assert f"learned codes: {run.learned_codes_file.name}, 32 of train" in out
    assert f"next: python src/models/ADSH/predict.py -p {run.quoted}" in out
    learned, best = np.load(run.learned_codes_file), read_checkpoint(run.best_checkpoint)
    assert (learned.dtype, learned.shape) == (np.uint8, (32, 1))
    assert np.array_equal(codes.unpack(learned, 6), best["loss"]["codes"].numpy())
    main(["predict", "ADSH", *words])
    assert {file.name for file in run.directory.glob("*-codes.npy")} == {
        f"{fold}-codes.npy" for fold in ("train", "val", "query", "database", "learned")
    }
    assert np.array_equal(np.load(run.learned_codes_file), learned), "prediction encodes the train fold by the network, beside V"


def test_an_epoch_sees_the_images_of_its_round_and_v_never_gets_worse(settings, watched):
    seen, solved = watched
    run = train(settings, quiet=True)
    loss = build_loss(settings, load_fold("TINY", "train"))
    assert [sorted(epoch) for epoch in seen] == [loss.epoch_rows(epoch).tolist() for epoch in range(6)] + [[]]
    rounds = [set(epoch) for epoch in seen[:6:2]]
    assert [set(epoch) for epoch in seen[1:6:2]] == rounds
    assert len(set(map(frozenset, rounds))) == 3
    assert {len(rows) for rows in rounds} == {20}
    labels = torch.from_numpy(load_fold("TINY", "train").labels).float()
    assert len(solved) == 3
    for rows, (before, after, outputs, index) in zip(rounds, solved, strict=True):
        assert index.tolist() == sorted(rows)
        similar = adsh_similarity(labels[index], labels, adsh_ratio(labels[index], labels))
        old, new = (adsh_objective(v, outputs, index, similar).item() for v in (before, after))
        assert new <= old
    for (_, after, *_), (before, *_) in itertools.pairwise(solved):
        assert torch.equal(after, before)
    assert torch.equal(loss_state(run)["loss.codes"], solved[-1][1])


@each_case("mode", sorted(RULES))
def test_every_rule_trains(settings, mode):
    run = train(replace(settings, mode=mode, epochs=1, round_epochs=1), quiet=True)
    assert np.load(run.learned_codes_file).shape == (32, 1)


@pytest.mark.parametrize("broken", [1, 2])
def test_a_resumed_training_ends_as_an_unbroken_one(settings, monkeypatch, broken):
    """Broken off in the second epoch of a round, and in the first."""
    settings = replace(settings, epochs=3, patience=9)
    whole = train_and_break_off(monkeypatch, settings, broken)
    run = train(settings, quiet=True)
    assert equal(weights(run), weights(whole))
    assert equal(loss_state(run), loss_state(whole))
    assert run.learned_codes_file.read_bytes() == whole.learned_codes_file.read_bytes()


def test_the_last_epoch_ends_its_round(settings, watched):
    seen, solved = watched
    train(replace(settings, epochs=3), quiet=True)
    assert [len(epoch) for epoch in seen] == [20, 20, 20, 0]
    assert [set(index.tolist()) for *_, index in solved] == [set(seen[0]), set(seen[2])]


def test_no_file_of_random_codes(settings):
    with pytest.warns(UserWarning, match=r"no learned-codes\.npy: its best epoch, 1, "):
        run = train(replace(settings, learning_rate=1e-30, epochs=2), quiet=True)  # no epoch after the first is better
    assert run.status == "finished"
    assert not run.learned_codes_file.exists()


def test_the_loss_by_loops():
    labels = torch.eye(3)[torch.arange(8) % 3]
    loss = drawn(labels)
    assert set(loss.codes.unique().tolist()) == {-1.0, 1.0}
    rows = loss.epoch_rows(0)[:2]
    outputs = torch.randn(2, 4, generator=torch.Generator().manual_seed(0))
    r = [[float((labels[i] @ labels[j]) > 0) for j in range(8)] for i in loss.epoch_rows(0)]
    similar = sum(map(sum, r))
    r = similar / (5 * 8 - similar)
    total = 0.0
    for f, i in zip(outputs.double().tolist(), rows.tolist(), strict=True):
        u, own = [math.tanh(x) for x in f], loss.codes[i].tolist()
        for j in range(8):
            s = 1.0 if labels[i] @ labels[j] > 0 else -r
            total += (sum(a * b for a, b in zip(u, loss.codes[j].tolist(), strict=True)) - 4 * s) ** 2
        total += 3.0 * sum((b - a) ** 2 for a, b in zip(u, own, strict=True))
    assert loss(outputs, labels[rows], rows).item() == pytest.approx(total / (2 * 8), rel=1e-5)
    agreeing = ((outputs >= 0) == (loss.codes[rows] > 0)).float().mean().item()
    assert loss.epoch_values() == {"agreement": pytest.approx(agreeing)}


def test_what_is_drawn_depends_on_the_seed_and_the_round_alone():
    labels = torch.eye(2)[torch.arange(50) % 2]
    one, same, other = (drawn(labels, seed=seed) for seed in (2**64 - 1, 2**64 - 1, 1))
    assert torch.equal(one.codes, same.codes)
    assert not torch.equal(one.codes, other.codes)
    samples = [[loss.epoch_rows(epoch).tolist() for epoch in range(6)] for loss in (one, same, other)]
    assert samples[0] == samples[1]
    assert len({tuple(rows) for rows in samples[0][::2] + samples[2][::2]}) == 6
    assert samples[0][::2] == samples[0][1::2]
    assert all(len(set(rows)) == 5 for rows in samples[0])


def test_a_sample_larger_than_the_fold_is_all_of_it():
    assert drawn(torch.eye(4), samples=2000).epoch_rows(3).tolist() == [0, 1, 2, 3]


def test_items_without_an_image_are_not_sampled():
    images = torch.tensor([1, 2, 5, 6])
    facts = {"round_epochs": 1, "epochs": 3, "gamma": 3.0, "seed": 0}
    loss = ADSHLoss(torch.eye(8), images, 4, samples=3, **facts)
    assert {row for epoch in range(20) for row in loss.epoch_rows(epoch).tolist()} == {1, 2, 5, 6}
    assert ADSHLoss(torch.eye(8), images, 4, samples=5, **facts).epoch_rows(0).tolist() == [1, 2, 5, 6]


def test_images_of_several_classes_and_of_none():
    labels = torch.tensor([[1.0, 1, 0], [0, 1, 1], [0, 0, 1], [0, 0, 0], [1, 0, 0]])
    loss = drawn(labels, samples=5, round_epochs=1)
    value = loss(torch.randn(5, 4), labels, torch.arange(5))
    assert value.isfinite()
    loss.on_epoch_end()
    alike = drawn(torch.ones(4, 2))
    assert alike.ratio == 0, "all similar: S is 1 everywhere"


def test_bad_input_leaves_nothing(project_home, tiny_database):
    for words, *named in (
        (["-samples", "1"], "-samples 1", "at least 2"),
        (["-round_ep", "0"], "-round_ep 0", "at least 1 epoch"),
        (["-gamma", "-1"], "-gamma -1.0", "at least 0"),
        (["-gamma", "inf"], "-gamma", "finite"),
        (["-rounds", "3"], "-round_ep"),
        (["-loss", "DCH"], "-loss is a setting of PenaltyStrategies, ADSH has none"),
    ):
        with pytest.raises(BioDeepHashingError) as error:
            script([*COMMON, *words])
        assert all(part in str(error.value) for part in named), str(error.value)
    assert not (project_home / "models").exists()


def test_a_finished_run_is_skipped(settings, capsys):
    run = train(settings, quiet=True)
    before = run.best_checkpoint.stat().st_mtime_ns, run.learned_codes_file.stat().st_mtime_ns
    assert train(settings) == run == Run.of(settings)
    assert before == (run.best_checkpoint.stat().st_mtime_ns, run.learned_codes_file.stat().st_mtime_ns)
    assert "skipped" in capsys.readouterr().out


@pytest.mark.slow
def test_two_processes_train_like_one(settings):
    """The sample of a round is shared by the devices, and each solves for V from the joined outputs."""
    settings = replace(settings, optimizer="sgd", learning_rate=1e-4, epochs=2, round_epochs=1)
    one, two = train(settings, quiet=True), train(replace(settings, devices=2, experiment_name="two"), quiet=True)
    here, there = weights(one), weights(two)
    assert all(torch.allclose(here[key], there[key], rtol=1e-4, atol=1e-6) for key in here)
    assert torch.equal(loss_state(one)["loss.codes"], loss_state(two)["loss.codes"])
    assert one.learned_codes_file.read_bytes() == two.learned_codes_file.read_bytes()
