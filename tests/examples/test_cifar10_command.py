"""Classifying CIFAR-10 from the command line: to the end, interrupted, with parts missing, and misused."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from cifar10_cases import results
from cifar10_training import Training
from classify_cifar10 import main

from biodeephashing.bio import RULES
from biodeephashing.errors import DataError, RuleError, RunError, UsageError, guard

ROOT = Path(__file__).parents[2]


class TestClassifying:
    def test_one_epoch(self, classify, tmp_path, capsys):
        classify("-network", "lenet3", "-mode", "usf", "-epochs", "1")
        out = capsys.readouterr().out
        assert "72 images to train, 8 held out, 40 to test, on cpu" in out
        assert "PARTIAL" not in out
        result = results(tmp_path)
        [epoch] = result["history"]
        assert epoch["lr"] == 0.1
        assert epoch["val_error"] in [12.5 * wrong for wrong in range(9)]
        assert f"epoch 1/1  lr 0.1  loss {epoch['loss']:.4f}  held-out error {epoch['val_error']:.2f} %" in out
        *_, heading, row, source = out.splitlines()
        assert re.split(r"  +", heading)[-1] == "published, %"
        assert re.split(r"  +", row) == [
            "lenet3",
            "usf",
            "1",
            "0.1",
            "0",
            *[f"{epoch['test_error']:.2f}", "1"],
            f"{epoch['test_error']:.2f}",
            "16.22",
        ]
        assert "arXiv:2108.13446" in source

    def test_something_is_learned(self, classify, tmp_path):
        classify("-network", "lenet3", "-mode", "bp", "-epochs", "12", "-lr", "0.02")
        assert results(tmp_path)["history"][-1]["test_error"] < 50  # by chance 90

    @pytest.mark.parametrize("rule", RULES)
    def test_every_rule_trains_and_goes_on_exactly(self, classify, rule, tmp_path, monkeypatch, capsys):
        command = ("-network", "lenet3", "-mode", rule, "-epochs", "3", "-lr", "0.01")
        classify(*command)
        original, done = Training.epoch, []

        def interrupted(self):
            if done:
                raise KeyboardInterrupt
            done.append(original(self))

        monkeypatch.setattr(Training, "epoch", interrupted)
        assert guard(lambda: classify(*command, out="again")) == 130
        monkeypatch.setattr(Training, "epoch", original)
        capsys.readouterr()
        classify(*command, out="again")
        assert "going on after epoch 1 of 3" in capsys.readouterr().out
        assert results(tmp_path, "again")["history"] == results(tmp_path)["history"]
        [one], [other] = ((tmp_path / out).iterdir() for out in ("out", "again"))
        states = [torch.load(folder / "last.ckpt", weights_only=True)["network"] for folder in (one, other)]
        assert states[0].keys() == states[1].keys()
        assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])

    def test_a_finished_run_says_so_and_is_left_alone(self, classify, tmp_path, capsys):
        command = ("-network", "lenet3", "-mode", "frsf", "-epochs", "1")
        classify(*command)
        first = capsys.readouterr().out.splitlines()
        [folder] = (tmp_path / "out").iterdir()
        written = (folder / "last.ckpt").stat().st_mtime_ns
        classify(*command)
        again = capsys.readouterr().out.splitlines()
        assert again[1].startswith("already finished (")
        assert again[2:] == first[2:]
        assert (folder / "last.ckpt").stat().st_mtime_ns == written

    def test_interrupted_while_writing_keeps_the_last_whole_checkpoint(self, classify, tmp_path, monkeypatch):
        command = ("-network", "lenet3", "-mode", "bp", "-epochs", "2", "-lr", "0.01")
        save, count = torch.save, []

        def breaks(content, path):
            count.append(path)
            if len(count) == 2:
                Path(path).write_bytes(b"half")
                raise KeyboardInterrupt
            save(content, path)

        monkeypatch.setattr(torch, "save", breaks)
        assert guard(lambda: classify(*command)) == 130
        [folder] = (tmp_path / "out").iterdir()
        assert [path.name for path in folder.iterdir()] == ["last.ckpt"]
        assert len(torch.load(folder / "last.ckpt", weights_only=True)["history"]) == 1

    def test_a_damaged_checkpoint_is_named(self, classify, tmp_path):
        command = ("-network", "lenet3", "-mode", "bp", "-epochs", "1")
        classify(*command)
        [folder] = (tmp_path / "out").iterdir()
        (folder / "last.ckpt").write_bytes(b"nonsense")
        with pytest.raises(RunError, match=r"last\.ckpt is damaged .*delete it"):
            classify(*command)

    def test_missing_batches_are_named_and_a_part_is_called_one(self, classify, batches, tmp_path, capsys):
        folder, _ = batches
        (folder / "data_batch_2").unlink()
        command = ("-network", "lenet3", "-mode", "bp", "-epochs", "1")
        with pytest.raises(DataError, match=r"lacks data_batch_2: .*-allow_partial"):
            classify(*command)
        assert not (tmp_path / "out").exists()
        classify(*command, "-allow_partial")
        out = capsys.readouterr().out
        assert out.count("PARTIAL: without data_batch_2; not comparable") == 2
        assert results(tmp_path)["missing"] == ["data_batch_2"]
        assert next((tmp_path / "out").iterdir()).name.endswith("-without=2")
        (folder / "test_batch").unlink()
        with pytest.raises(DataError, match=r"lacks data_batch_2, test_batch"):
            classify(*command, "-allow_partial")

    def test_a_damaged_batch_is_refused(self, classify, batches):
        with (batches[0] / "data_batch_1").open("ab") as file:
            file.write(b"x")
        with pytest.raises(DataError, match="data_batch_1 is damaged"):
            classify("-network", "lenet3", "-mode", "bp")

    def test_divergence_is_said(self, classify):
        with pytest.raises(RunError, match=r"training diverged in epoch 1: .* lower -lr than 1e\+10"):
            classify("-network", "lenet3", "-mode", "bp", "-epochs", "1", "-lr", "1e10")

    @pytest.mark.parametrize(
        ("arguments", "error", "words"),
        [
            ((), UsageError, "give -network"),
            (("-network", "lenet"), UsageError, "give -mode"),
            (("-network", "resnet21", "-mode", "bp"), UsageError, "did you mean 'resnet20'"),
            (("-network", "lenet", "-mode", "frfs"), UsageError, "did you mean 'frsf'"),
            (("-network", "lenet", "-mode", "featrues.*=fa,*=bp"), RuleError, "matches no layer"),
            (("-network", "lenet", "-mode", "bp", "-lr", "0"), UsageError, "positive"),
            (("-network", "lenet", "-mode", "bp", "-lr", "nan"), UsageError, "positive"),
            (("-network", "lenet", "-mode", "bp", "-epochs", "0"), UsageError, "at least 1"),
            (("-network", "lenet", "-mode", "bp", "-epochs", "two"), UsageError, "invalid int"),
            (("-netwrok", "lenet"), UsageError, "did you mean -network"),
        ],
    )
    def test_what_cannot_be_used_is_said(self, classify, arguments, error, words, tmp_path):
        with pytest.raises(error, match=words):
            classify(*arguments)
        assert not (tmp_path / "out").exists()

    def test_a_device_that_is_not_there(self, monkeypatch):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        with pytest.raises(UsageError, match="no CUDA device"):
            main(["-network", "lenet3", "-mode", "bp", "-device", "cuda"])

    @pytest.mark.parametrize(
        ("content", "words"),
        [("netwrok: lenet", "did you mean 'network'"), ("epochs: two", "'two' is not a number"), ("- 1", "mapping"), ("a: [", "not YAML")],
    )
    def test_settings_files_that_cannot_be_used(self, classify, tmp_path, content, words):
        (tmp_path / "bad.yaml").write_text(content)
        with pytest.raises(UsageError, match=words):
            classify("-config", str(tmp_path / "bad.yaml"))

    def test_no_settings_file(self, classify, tmp_path):
        with pytest.raises(UsageError, match=r"none\.yaml"):
            classify("-config", str(tmp_path / "none.yaml"))

    @pytest.mark.slow
    def test_as_a_command(self, tmp_path):
        command = [
            sys.executable,
            str(ROOT / "examples" / "classify_cifar10.py"),
            "-network",
            "lenet",
            "-mode",
            "fa",
            "-data",
            str(tmp_path),
        ]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 1
        assert done.stderr.startswith(f"error: {tmp_path} lacks data_batch_1, ")
        assert "Traceback" not in done.stderr
