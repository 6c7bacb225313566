"""Runs that are interrupted, resumed, skipped or trained again."""

import os
import signal
import subprocess
import sys
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from training_cases import equal, interrupt_in_epoch, train_and_break_off, weights

from biodeephashing.commands.predict import predict
from biodeephashing.commands.train import train
from biodeephashing.errors import RunError
from biodeephashing.runs import Run, only_process
from biodeephashing.training.checkpoints import read_checkpoint, write_checkpoint
from biodeephashing.training.loop import validated
from biodeephashing.training.reporting import PausedError

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("loss", "workers"), [("DCH", 0), ("HashNet", 0), ("DCH", 2)])
def test_an_interrupted_run_resumes_to_the_same_result(settings, monkeypatch, loss, workers):
    settings = replace(settings, loss=loss, epochs=4, HSWD_penalty=0.1, num_workers=workers)
    whole = train_and_break_off(monkeypatch, settings, 2)
    run = Run.of(settings)
    assert run.status == "interrupted"
    assert read_checkpoint(run.last_checkpoint)["epoch"] == 1
    train(settings, quiet=True)
    assert run.status == "finished"
    assert equal(weights(run), weights(whole))
    one, other = read_checkpoint(run.best_checkpoint), read_checkpoint(whole.best_checkpoint)
    assert (one["epoch"], one["val_mAP"]) == (other["epoch"], other["val_mAP"])
    assert equal(one["network"], other["network"])


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": "brsf"},
        {"mode": "kp", "optimizer": "sgd", "clip_norm": 1.0},
        {"mode": "wm"},
        {"mode": "dfa"},
        {"mode": "drtp"},
        {"mode": "features.0=brsf,features.3=kp,classifier.0=wm,*=frsf", "constrain_norm": True},
        {"architecture": "lenet", "mode": "bp", "constrain_norm": True, "optimizer": "rmsprop"},
    ],
    ids=lambda changes: changes["mode"],
)
def test_rules_and_norms_that_follow_the_steps_resume_to_the_same_result(settings, monkeypatch, changes):
    settings = replace(settings, **changes)
    whole = train_and_break_off(monkeypatch, settings, 1)
    run = train(settings, quiet=True)
    assert equal(weights(run), weights(whole))
    one, other = read_checkpoint(run.last_checkpoint), read_checkpoint(whole.last_checkpoint)
    assert ("norms" in one) == settings.constrain_norm
    assert one.get("norms") == other.get("norms")
    for name, entry in one["learning_rule"].items():
        assert {key: entry[key] for key in ("rule", "seed", "key")} == {
            key: other["learning_rule"][name][key] for key in ("rule", "seed", "key")
        }
    assert ("follower" in one) == settings.is_bio
    if settings.is_bio:
        assert one["follower"]["step"] == other["follower"]["step"] == 3 * 4


def test_ctrl_c_works_again_after_training(settings, monkeypatch):
    interrupt_in_epoch(monkeypatch, 0, KeyboardInterrupt())
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(settings, quiet=True)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.slow
def test_a_killed_process_resumes(settings, tiny_database):
    """Kill -9 gives no chance to tidy up: the marker still says training, and the same command goes on."""
    settings = replace(settings, epochs=400, patience=400, min_delta=0.0)
    arguments = ["-exp", "test", "-db", tiny_database, "-loss", "DCH", "-nbits", "12", "-trf", "none", "-arch", "bio-lenet"]
    arguments += ["-mode", "frsf", "-bs", "8", "-ep", "400", "-pt", "400", "-min_delta", "0", "-lr", "1e-3", "-nw", "0"]
    arguments += ["-device", "cpu", "-tracking", "off"]
    run = Run.of(settings)
    script = ROOT / "src" / "models" / "PenaltyStrategies" / "train.py"
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(script), *arguments]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert any(line.startswith("epoch 2/400") for line in process.stdout)  # so the first epoch was kept
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert run.status == "training"
    reached = read_checkpoint(run.last_checkpoint)["epoch"]
    assert reached < 399
    interrupted_again = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    told = next(line for line in interrupted_again.stdout if line.startswith("resuming after"))
    interrupted_again.terminate()  # SIGTERM, as a batch system would send it, is a polite interruption
    interrupted_again.communicate()
    assert told.startswith(f"resuming after epoch {reached + 1} of 400")
    assert interrupted_again.returncode == 130
    assert run.status == "interrupted"


def test_the_second_time_is_skipped(settings, capsys):
    run = train(settings, quiet=True)
    before = {path: path.stat().st_mtime_ns for path in run.directory.iterdir()}
    train(settings)
    assert "skipped" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in run.directory.iterdir()} == before


def test_no_skip_retrains_into_a_clean_state(settings):
    train(settings, quiet=True)
    run = predict(replace(settings, tsv=True), quiet=True)
    note = run.directory / "note.txt"
    note.write_text("mine")
    first = weights(run)
    train(replace(settings, no_skip=True), quiet=True)
    assert not run.codes_file("query").exists()
    assert not run.hashes_file("query").exists()
    assert not (run.directory / "predictions.json").exists()
    assert note.read_text() == "mine"
    assert equal(first, weights(run))


def test_soft_skip_leaves_a_started_run_alone(settings, capsys):
    run = Run.of(settings)
    run.mark("training")
    train(replace(settings, soft_skip=True))
    assert "was started" in capsys.readouterr().out
    assert run.status == "training"


def test_a_run_stopped_early_but_not_marked_is_only_marked(settings, capsys):
    run = train(replace(settings, epochs=12, patience=1, min_delta=0.9))  # the first epoch sets the score, the next stops
    assert "stopped early: no gain of 0.9 in val_mAP for 1 epochs" in capsys.readouterr().out
    assert read_checkpoint(run.last_checkpoint)["epoch"] < 11
    before = weights(run)
    run.mark("training")
    train(replace(settings, epochs=12, patience=1, min_delta=0.9), quiet=True)
    assert run.status == "finished"
    assert equal(before, weights(run))


def test_scale_weight_survives_a_resume(settings, monkeypatch):
    settings = replace(settings, scale="weight", mode="usf")
    whole = train_and_break_off(monkeypatch, settings, 1)
    assert equal(weights(train(settings, quiet=True)), weights(whole))


def test_a_full_disk_leaves_the_former_checkpoint(settings, monkeypatch):
    with monkeypatch.context() as patch:
        interrupt_in_epoch(patch, 1, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            train(settings, quiet=True)
    run = Run.of(settings)
    before = run.last_checkpoint.read_bytes()

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", full)
        with pytest.raises(OSError, match="No space left"):
            train(settings, quiet=True)
    assert run.last_checkpoint.read_bytes() == before
    assert run.status == "interrupted"
    assert train(settings, quiet=True).status == "finished"


def test_two_processes_cannot_train_the_same_run(settings):
    run = Run.of(settings)
    with only_process(run.directory / ".lock"), pytest.raises(RunError, match="another process"):
        train(settings, quiet=True)


class Moment:
    """Something that is interrupted while it is written."""

    def __reduce__(self):
        signal.raise_signal(signal.SIGINT)
        return OrderedDict, ()


def test_an_interrupt_waits_for_the_checkpoint(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write_checkpoint(tmp_path / "last.ckpt", {"epoch": 3, "moment": Moment()})
    assert read_checkpoint(tmp_path / "last.ckpt")["epoch"] == 3


def test_a_training_pauses_and_resumes_to_the_same_result(settings):
    """It stops after an epoch of a schedule for all of them, as often as it is told to, and is not trained past one it has reached."""
    settings = replace(settings, epochs=4, schedule="cosine", min_delta=0.0)
    whole = train(replace(settings, experiment_name="whole"), quiet=True)
    run = Run.of(settings)
    for until, reached in ((1, 1), (3, 3), (2, 3)):
        with pytest.raises(PausedError, match=f"after epoch {until} of 4"):
            train(settings, quiet=True, until=until)
        assert run.status == "interrupted"
        assert read_checkpoint(run.last_checkpoint)["epoch"] + 1 == reached
        assert validated(run) == validated(whole)[:reached]
    train(settings, quiet=True, until=4)
    assert run.status == "finished"
    assert equal(weights(run), weights(whole))
    assert {path.name for path in run.directory.iterdir()} == {path.name for path in whole.directory.iterdir()}


def test_a_training_that_stops_early_does_not_pause(settings, capsys):
    settings = replace(settings, epochs=12, patience=1, min_delta=0.9)
    run = train(settings, until=2)
    assert run.status == "finished"
    assert "stopped early" in capsys.readouterr().out
