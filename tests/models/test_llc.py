"""LLC: two phases that are runs of their own, what the second takes from the first, and what is refused."""

import hashlib
import json
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from training_cases import equal, train_and_break_off, weights

from biodeephashing.cli import main
from biodeephashing.codes.codebooks import class_code_predictions
from biodeephashing.commands.study import run_trial, trials_of
from biodeephashing.commands.train import train
from biodeephashing.data import load_fold
from biodeephashing.data.prepare.content import DatasetContent
from biodeephashing.data.prepare.splits import Protocol
from biodeephashing.data.prepare.write import prepare
from biodeephashing.errors import BioDeepHashingError
from biodeephashing.models import classifier_of
from biodeephashing.models.encoder import Encoder
from biodeephashing.models.LLC import Settings
from biodeephashing.models.LLC.losses import CodebookLoss, first_loss
from biodeephashing.models.LLC.train import main as script
from biodeephashing.models.PenaltyStrategies.train import main as train_by_a_loss
from biodeephashing.runs import Run, home, only_process, runs_of
from biodeephashing.settings.parsers import study_parser
from biodeephashing.training import module
from biodeephashing.training.checkpoints import read_checkpoint
from biodeephashing.training.fit import build_module

COMMON = (
    "-db", "TINY", "-exp", "e", "-arch", "bio-lenet", "-nbits", "6", "-trf", "none", "-bs", "8", "-nw", "0", "-device", "cpu",
    "-tracking", "off", "-lr", "0.001",
)  # fmt: skip


@pytest.fixture
def settings(tiny_database):
    """Return the settings of both phases, which train in about a second."""
    return Settings(
        experiment_name="test", database=tiny_database, number_of_bits=6, transformations="none", architecture="bio-lenet",
        mode="frsf", batch_size=8, epochs=2, codebook_epochs=3, learning_rate=1e-3, num_workers=0, device="cpu", tracking="off",
    )  # fmt: skip


def best(run: Run) -> dict:
    return read_checkpoint(run.best_checkpoint)


def runs(pattern: str) -> list[Run]:
    return runs_of(f"LLC/TINY/{pattern}")


def test_both_phases_are_runs_of_their_own(settings, capsys):
    script([*COMMON, "-mode", "frsf", "-ep", "2", "-codebook_ep", "3", "-codebook_lr", "0.003"])
    (codebook,), (codes,) = runs("e/-phase=codebook*"), runs("e/-phase=codes*")
    assert codebook.name.startswith("-phase=codebook-nbits=6-")
    assert codes.name == f"-phase=codes-ep=2-lr=0.001{codebook.name}"
    assert [run.status for run in (codebook, codes)] == ["finished", "finished"]
    hparams = codes.hparams()
    assert (hparams["phase"], hparams["parent"], hparams["epochs"], hparams["codebook_epochs"]) == ("codes", f"LLC/{codebook.name}", 2, 3)
    assert (codebook.hparams()["epochs"], codebook.hparams()["learning_rate"]) == (3, 0.003)
    assert codes.settings().parent == codebook.settings()
    out = capsys.readouterr().out
    assert [line.startswith("epoch ") and "codebook_flips" in line for line in out.splitlines()].count(True) == 3
    assert f"next: python src/models/LLC/predict.py -p {codes.quoted}" in out
    kept, learnt = np.load(codebook.codebook_file), best(codebook)["loss"]["weight"].numpy()
    assert (kept.dtype, kept.shape) == (np.float32, (4, 6))
    assert np.array_equal(kept, learnt)
    assert codes.codebook_file.read_bytes() == codebook.codebook_file.read_bytes()
    before = {run: run.best_checkpoint.read_bytes() for run in (codebook, codes)}
    script([*COMMON, "-mode", "frsf", "-ep", "2", "-codebook_ep", "3", "-codebook_lr", "0.003", "-save_codebook", str(home() / "a.npy")])
    assert before == {run: run.best_checkpoint.read_bytes() for run in (codebook, codes)}
    assert np.array_equal(np.load(home() / "a.npy"), kept), "a finished run still gives a copy"
    main(["predict", "LLC", *COMMON, "-mode", "frsf", "-ep", "2", "-codebook_ep", "3", "-codebook_lr", "0.003"])
    paths = [home() / path for path in load_fold("TINY", "query").paths[:3]]
    features = Encoder.of(codes).encode(paths).features
    np.testing.assert_allclose(features, np.load(codes.features_file("query"))[:3], atol=1e-4)
    shares = classifier_of(codes).probabilities(features)
    np.testing.assert_allclose(shares.sum(1), 1, rtol=1e-5)
    assert (shares.argmax(1) == class_code_predictions(features, kept)).all()


def test_one_phase_after_the_other(settings):
    words = [*COMMON, "-mode", "bp"]
    script([*words, "-phase", "codebook", "-ep", "2", "-save_codebook", str(home() / "copy.npy")])
    (codebook,) = runs("e")
    assert (home() / "copy.npy").read_bytes() == codebook.codebook_file.read_bytes()
    script(["-codebook", str(codebook.directory), "-ep", "1"])
    script(["-phase", "codes", "-codebook", "LLC/TINY/e/-phase=codebook*", "-ep", "1", "-lr", "0.1", "-mode", "bp", "-db", "TINY"])
    codes = [run.name.removesuffix(codebook.name) for run in runs("e/-phase=codes*")]
    assert codes == ["-phase=codes-ep=1-lr=0.001", "-phase=codes-ep=1-lr=0.1"]
    script([*words, "-phase", "codes", "-ep", "1", "-codebook_ep", "2"])
    assert len(runs("e")) == 3, "without -codebook the parent is the run with the same settings"


@pytest.mark.parametrize("mode", ["bp", "frsf", "dfa", "kp", "wm"])
def test_what_the_second_phase_begins_with(settings, monkeypatch, mode):
    settings = replace(settings, mode=mode, architecture="lenet" if mode == "bp" else "bio-lenet", seed=3)
    begun = {}

    def remember(self):
        setup(self, "fit")
        begun.update({name: value.clone() for name, value in self.network.state_dict().items()})

    train(replace(settings, phase="codebook"), quiet=True)
    setup = module.HashingModule.setup
    monkeypatch.setattr(module.HashingModule, "setup", lambda self, stage: remember(self))
    codes, parent = train(settings, quiet=True), best(Run.of(settings.parent))
    expected = {**parent["network"], **parent.get("feedback", {})}
    assert equal({name: begun[name] for name in expected}, expected)
    assert ("feedback" in parent) == (mode in ("kp", "wm"))
    assert begun.keys() == expected.keys(), "all of it, feedback that was learnt too"
    assert best(codes)["learning_rule"] == parent["learning_rule"]
    assert torch.equal(best(codes)["loss"]["weight"], parent["loss"]["weight"])


@pytest.mark.parametrize("phase", ["codebook", "codes"])
def test_a_resumed_phase_ends_as_an_unbroken_one(settings, monkeypatch, phase):
    settings = replace(settings, phase=phase, epochs=3, codebook_epochs=0)
    if phase == "codes":
        for experiment in ("whole", "test"):
            train(replace(settings.parent, experiment_name=experiment), quiet=True)
    whole = train_and_break_off(monkeypatch, settings, 1)
    run = train(settings, quiet=True)
    assert run.status == "finished"
    assert equal(weights(run), weights(whole))
    states = [
        {name: value for name, value in read_checkpoint(one.last_checkpoint)["state_dict"].items() if name.startswith("loss.")}
        for one in (run, whole)
    ]
    assert equal(*states)
    assert "loss.weight" in states[0]
    assert run.codebook_file.read_bytes() == whole.codebook_file.read_bytes()


def test_again_from_scratch_and_after_a_failure(settings):
    train(settings, quiet=True)
    parent = Run.of(settings.parent)
    times = parent.best_checkpoint.stat().st_mtime_ns, Run.of(settings).best_checkpoint.stat().st_mtime_ns
    train(replace(settings, no_skip=True), quiet=True)
    again = parent.best_checkpoint.stat().st_mtime_ns, Run.of(settings).best_checkpoint.stat().st_mtime_ns
    assert all(new > old for new, old in zip(again, times, strict=True))


def test_a_warm_start(settings, capsys):
    start = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float64)
    np.save(home() / "start.npy", start)
    with pytest.warns(UserWarning, match=r"start\.npy stays as it is"):
        script([*COMMON[:-2], "-phase", "codebook", "-ep", "1", "-load_codebook", str(home() / "start.npy"), "-lr", "1e-30", "-wd", "0"])
    (run,) = runs("e")
    assert np.array_equal(np.load(run.codebook_file), start.astype(np.float32))
    assert run.settings().load_codebook == str(home() / "start.npy")
    assert "codebook_flips 0" in capsys.readouterr().out


def test_the_first_entries_and_their_flips(settings):
    def entries(**changes):
        return build_module(replace(settings, **changes), load_fold("TINY", "train"), first_loss, fresh=True).loss.weight.detach()

    assert torch.equal(entries(), entries())
    assert not torch.equal(entries(), entries(seed=1))
    torch.testing.assert_close(entries(codebook_scale=0.5), 50 * entries())
    loss = CodebookLoss(entries(), 0.1, 32)
    loss.weight.data[0] *= -1
    assert loss.epoch_values() == {"codebook_flips": 6}
    loss.on_epoch_end()
    loss.weight.data[1, 2] *= -1
    assert loss.epoch_values() == {"codebook_flips": 1}


def refused(words, *named):
    with pytest.raises(BioDeepHashingError) as error:
        script(words)
    assert all(part in str(error.value) for part in named), str(error.value)


def test_bad_codebook_files_leave_nothing(settings, project_home):
    file = project_home / "some.npy"
    for content, named in (
        (np.ones((3, 6)), ["(3, 6)", "(4, 6)"]),
        (np.ones((4, 5)), ["(4, 5)", "(4, 6)"]),
        (np.full((4, 6), np.nan), ["class 0", "NaN"]),
        (np.ones((4, 6)), ["all 4 classes have one code"]),
        (np.array([{"a": 1}]), ["not a plain array"]),
    ):
        np.save(file, content, allow_pickle=True)
        refused([*COMMON, "-load_codebook", str(file)], str(file), *named)
    file.write_text("0 1 1\n")
    refused([*COMMON, "-load_codebook", str(file)], str(file), "not a plain array")
    refused([*COMMON, "-load_codebook", str(project_home / "none.npy")], "none.npy", "No such file")
    refused([word.replace("6", "1") if word == "6" else word for word in COMMON], "1 bits make 2 codes", "4 classes")
    refused([*COMMON, "-codebook_scale", "0"], "-codebook_scale")
    refused([*COMMON, "-smoothing", "1"], "-smoothing")
    refused([*COMMON, "-phase", "instances"], "unknown value for -phase", "codebook")
    refused([*COMMON, "-loss", "DCH"], "-loss is a setting of PenaltyStrategies, LLC has none")
    assert not (project_home / "models").exists()


def test_parents_that_are_none(settings, project_home):
    train(settings, quiet=True)
    codebook, codes = Run.of(settings.parent), Run.of(settings)
    train_by_a_loss([*COMMON, "-loss", "DCH", "-ep", "1"])
    (other,) = runs_of("PenaltyStrategies/TINY/e")
    refused(["-codebook", str(codes.directory)], "a run of the codes phase", "codebook phase")
    refused(["-codebook", str(other.directory)], "of the method PenaltyStrategies")
    refused(["-codebook", str(project_home / "models" / "LLC" / "TINY" / "test" / "nothing")], "nothing")
    refused(["-codebook", str(codebook.directory), "-phase", "codebook"], "leave out one")
    for flags, named in (
        ("-db DIGITS", "-db DIGITS contradicts the run that -codebook names: it has TINY"),
        ("-nbits 8", "-nbits 8 contradicts"),
        ("-codebook_ep 7", "-codebook_ep 7 contradicts the run that -codebook names: it has 3"),
        ("-mode fa -arch bio-lenet", "-mode fa contradicts"),
    ):
        refused(["-codebook", str(codebook.directory), *flags.split()], named)
    codebook.mark("interrupted")
    refused(["-codebook", str(codebook.directory), "-ep", "7"], codebook.name, "interrupted")
    refused([*COMMON, "-phase", "codes"], "never trained")
    assert len(runs("*")) == 2
    with pytest.raises(BioDeepHashingError, match="from_mapping"):
        replace(settings, codebook_run=str(codebook.directory))


def test_images_of_several_classes(project_home):
    labels = np.eye(4, dtype=np.uint8)[np.arange(32) % 4]
    labels[9, 0] = 1  # row 9 of all: row 1 of train

    content = DatasetContent(
        files=[f"{row:03d}.png" for row in range(32)], labels=labels, classes=list("abcd"),
        folds=dict(zip(("val", "train", "query", "database"), np.split(np.arange(32), 4), strict=True)),
        write_image=lambda row, path: Image.new("RGB", (32, 32), (7 * row, 0, 0)).save(path),
        protocol=Protocol("disjoint", "in turn"), source="drawn",
    )  # fmt: skip
    prepare("MULTI", lambda: content)
    refused([*COMMON[2:], "-db", "MULTI"], "009.png", "line 2 of", "2 classes", "1 of 8")
    assert not (project_home / "models").exists()


def test_a_codebook_that_tells_nothing_apart_is_no_result(settings, monkeypatch):
    monkeypatch.setattr(CodebookLoss, "on_epoch_end", lambda self: self.weight.data.fill_(1.0))
    with pytest.raises(BioDeepHashingError, match="all 4 classes have one code"):
        train(settings, quiet=True)
    assert Run.of(settings.parent).status == "interrupted"
    assert Run.of(settings).status is None


def test_a_name_that_would_be_too_long(settings):
    settings = replace(settings, load_codebook="x" * 120, mode="fa")
    own, _, short = settings.name.partition("parent~")
    assert own == "-phase=codes-ep=2-lr=0.001"
    assert short == hashlib.sha256(settings.parent.name.encode()).hexdigest()[:12]
    assert settings.as_dict("train")["parent"] == f"LLC/{settings.parent.name}"


@pytest.mark.parametrize("phase", ["codebook", "both"])
def test_settings_that_mean_the_same_are_one_run(settings, phase):
    same = replace(settings, phase=phase, epochs=3, codebook_epochs=3, codebook_learning_rate=1e-3)
    assert same.name == replace(settings, phase=phase, epochs=3, codebook_epochs=0).name
    assert replace(same, smoothing=0.0).name != same.name
    assert Settings.from_mapping(same.as_dict("train"), "hparams.json").name == same.name


def test_a_grid_shares_its_codebook(tiny_database, tmp_path):
    config = tmp_path / "grid.yaml"
    config.write_text(
        "model: LLC\nexperiment_name: grid\ndatabase: TINY\nnumber_of_bits: 6\ntransformations: none\narchitecture: bio-lenet\n"
        "mode: frsf\nbatch_size: 8\nepochs: [1, 2]\ncodebook_epochs: 2\nlearning_rate: 0.001\nnum_workers: 0\ndevice: cpu\ntracking: off\n"
    )
    for trial in trials_of(study_parser(Settings).parse_args(["-config", str(config)]), Settings):
        assert "query mAP" in run_trial(trial, None)
    codes = runs("grid/-phase=codes*")
    assert sorted(run.name.partition("-lr")[0] for run in codes) == ["-phase=codes-ep=1", "-phase=codes-ep=2"]
    assert len(runs("grid")) == 3
    results = [json.loads(run.class_codes_file.read_text()) for run in codes]
    assert results[0]["codebook_sha256"] == results[1]["codebook_sha256"]


def test_two_processes_that_want_one_codebook(settings):
    train(replace(settings, phase="codebook"), quiet=True)
    parent = Run.of(settings.parent)
    parent.mark("training")
    held, free = threading.Event(), threading.Event()

    def hold():
        with only_process(parent.directory / ".lock"):
            held.set()
            free.wait()
            parent.mark("finished")

    other = threading.Thread(target=hold)
    other.start()
    held.wait()
    threading.Timer(0.5, free.set).start()
    run = train(settings, quiet=True)
    other.join()
    assert run.status == "finished"
