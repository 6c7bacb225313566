"""Run directories that the previous version wrote are listed, evaluated, predicted and resumed by this one."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from biodeephashing.commands.evaluate import evaluate
from biodeephashing.commands.list_runs import list_runs
from biodeephashing.models.PenaltyStrategies.predict import main as predict_main
from biodeephashing.models.PenaltyStrategies.train import main as train_main
from biodeephashing.runs import HOME_VARIABLE, Run, known_runs

ARCHIVE = Path(__file__).parent / "fixtures" / "previous_version.tar.xz"
FOLDS = {"train": 32, "val": 16, "query": 16, "database": 32}
NAME = "-loss=DCH-nbits=12-trf=none-arch=bio-lenet-seed=0-bs=4-mode={}-ep=2-pt=10-lr=0.0002-wd=0.0005-optim=sgd-penalty=0.01"
NAME += "-L2_penalty=0.0-HSWD_penalty=0.0"
FINISHED = Run("TINY", "finished", NAME.format("usf"))
INTERRUPTED = Run("TINY", "interrupted", NAME.format("frsf"))
FLAGS = shlex.split(
    "-db TINY -loss DCH -nbits 12 -trf none -arch bio-lenet -bs 4 -ep 2 -lr 0.0002 -optim sgd -nw 0 -device cpu -tracking off"
)


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("previous_version")
    shutil.unpack_archive(ARCHIVE, folder, filter="data")
    return folder


@pytest.fixture
def root(unpacked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project root as the previous version left it, and the working directory."""
    shutil.copytree(unpacked, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(HOME_VARIABLE, raising=False)
    return tmp_path


def assert_holds(new: Any, old: Any, where: str = "") -> None:
    """Every key of the old result is in the new one and has the same value; the new one may have more."""
    if isinstance(old, Mapping):
        assert old.keys() <= new.keys(), where
        for key in old:
            assert_holds(new[key], old[key], f"{where}/{key}")
    else:
        assert new == (pytest.approx(old, rel=1e-9) if isinstance(old, float) else old), where


@pytest.mark.usefixtures("root")
def test_its_runs_are_listed_with_settings_and_results():
    finished, interrupted = list_runs()
    assert (finished.run, finished.status) == (FINISHED, "finished")
    assert (interrupted.run, interrupted.status) == (INTERRUPTED, "interrupted")
    assert [one.run.settings().mode for one in (finished, interrupted)] == ["usf", "frsf"]
    assert finished.score == json.loads(FINISHED.evaluation_file("query").read_text())["mAP_expected"]
    for one in (finished, interrupted):
        assert Run.of(one.run.settings()) == one.run


@pytest.mark.usefixtures("root")
def test_its_finished_run_is_evaluated_to_the_same_result():
    before = {fold: json.loads(FINISHED.evaluation_file(fold).read_text()) for fold in ("query", "val")}
    evaluate(FINISHED, no_skip=True, quiet=True)
    assert_holds({fold: json.loads(FINISHED.evaluation_file(fold).read_text()) for fold in before}, before)


@pytest.mark.usefixtures("root")
def test_its_finished_run_is_predicted_to_the_same_codes():
    before = {fold: (np.load(FINISHED.codes_file(fold)), np.load(FINISHED.features_file(fold))) for fold in FOLDS}
    predict_main(["-exp", "finished", "-mode", "usf", *FLAGS, "-no_skip"])
    for fold, (codes, features) in before.items():
        assert len(codes) == FOLDS[fold]
        assert np.array_equal(np.load(FINISHED.codes_file(fold)), codes), fold
        np.testing.assert_allclose(np.load(FINISHED.features_file(fold)), features, rtol=1e-4, atol=1e-4)


def test_its_interrupted_run_is_resumed_to_the_same_network(root, capsys):
    train_main(["-exp", "interrupted", "-mode", "frsf", *FLAGS])
    assert "after epoch 1 of 2" in capsys.readouterr().out
    assert known_runs() == [FINISHED, INTERRUPTED]
    assert INTERRUPTED.status == "finished"
    predict_main(["-p", str(INTERRUPTED.directory), "-dfs", "query"])
    uninterrupted = np.load(root / "expected" / "query-features.npy")
    np.testing.assert_allclose(np.load(INTERRUPTED.features_file("query")), uninterrupted, rtol=1e-3, atol=1e-3)
