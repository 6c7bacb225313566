"""The method in one file: it runs, its codes are what they say, and its runs are compared where it is not installed."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from scripts import run_script
from torch.nn import functional

from biodeephashing.cli import main
from biodeephashing.codes import unpack
from biodeephashing.data import load_fold
from biodeephashing.models.encoder import Encoder
from biodeephashing.models.PenaltyStrategies import Settings
from biodeephashing.runs import METHODS, Run, known_runs
from biodeephashing.runs.hparams_json import hparams_of
from biodeephashing.tracking import open_tracker, tracked_runs

EXAMPLE = Path(__file__).parents[2] / "examples" / "new_method.py"


@pytest.fixture
def example(project_home, monkeypatch):
    """Run the example, with whatever words, and forget the method again."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def run(*words):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(METHODS, "_entries", dict(METHODS._entries))
            patch.delitem(sys.modules, "new_method", raising=False)
            assert run_script(EXAMPLE, *words) == 0
            return [(one, Encoder.of(one)) for one in known_runs() if one.method == "LSH"]

    return run


def test_a_run_beside_those_of_another_method(example, project_home, monkeypatch, capsys):
    ((run, encoder),) = example()
    number = re.search(r"^mAP (0\.\d{4})$", capsys.readouterr().out, re.MULTILINE)[1]
    assert 0.15 < float(number) < 0.6  # a tenth is chance
    assert "LSH" not in METHODS

    features = []
    encoder.network.backbone.register_forward_hook(lambda *call: features.append(call[-1]))
    codes = unpack(encoder.encode([project_home / path for path in load_fold("DIGITS", "query").paths]).codes, 32)
    assert np.array_equal(codes, unpack(np.load(run.codes_file("query")), 32))
    directions = functional.normalize(torch.cat(features)).double()
    angles = (directions @ directions.T).clamp(-1, 1).arccos().numpy()
    agreeing = (codes[:, None] == codes[None]).mean(axis=2)
    assert np.abs((agreeing - (1 - angles / np.pi)).mean()) < 0.02
    assert np.corrcoef(agreeing.ravel(), angles.ravel())[0, 1] < -0.4  # 32 bits of small angles

    other = Settings("first", "DIGITS", architecture="bio-lenet", number_of_bits=32, mode="fa", loss="DCH")
    (tracked,) = tracked_runs("DIGITS", "first")
    with open_tracker(Run.of(other), hparams_of(other)) as tracker:
        tracker.set_tags({tag: text for tag, text in tracked.tags.items() if tag.startswith("split")})
        tracker.log_metrics({"query_mAP_expected": 0.75})
    monkeypatch.setattr(Figure, "savefig", lambda figure, file, **_: Path(file).write_bytes(b"not rendered"))
    main(["compare", "-exp", "first", "-db", "DIGITS"])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert any(row[0] == "LSH" and number in row for row in rows if row)
    assert any(row[0] == "PenaltyStrategies" and "0.7500" in row for row in rows if row)


def test_every_command_with_the_method_installed(example, tiny_database, capsys):
    settings = [
        "-exp",
        "e",
        "-db",
        "TINY",
        "-arch",
        "lenet",
        "-nbits",
        "8",
        "-trf",
        "none",
        "-nw",
        "0",
        "-device",
        "cpu",
        "-tracking",
        "off",
    ]
    ((run, encoder),) = example("train", "LSH", *settings, "-projection", "sign")
    assert run.name == "-nbits=8-trf=none-arch=lenet-seed=0-projection=sign"
    assert set(encoder.network.hash_layer.weight.unique().tolist()) == {-1.0, 1.0}
    said = capsys.readouterr().out
    for command in ("predict", "evaluate"):
        assert f"python {EXAMPLE} {command} -p {run.quoted}" in said
    example("predict", "-p", str(run.directory))
    assert "query: 16 codes of 8 bits" in capsys.readouterr().out
    example("train", "LSH", *settings, "-projection", "sign")
    assert f"skipped: {run}" in capsys.readouterr().out
