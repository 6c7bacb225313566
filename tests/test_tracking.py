"""The MLflow store: created once, found again, written by several processes, and honest when it cannot be reached."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import make_url

from biodeephashing.errors import TrackingError
from biodeephashing.models.PenaltyStrategies import Settings
from biodeephashing.runs import HOME_VARIABLE, Run
from biodeephashing.runs.hparams_json import hparams_of
from biodeephashing.tracking import TrackedRun, Tracker, how_to_open, known_experiments, open_tracker, start_parent, tracked_runs


def finished_runs(database: str, experiment: str) -> list[TrackedRun]:
    return [run for run in tracked_runs(database, experiment) if run.status == "FINISHED"]


def settings_of(seed: int = 0, **changes) -> Settings:
    known = {"database": "TINY", "experiment_name": "trial", "architecture": "bio-lenet", "mode": "usf", "loss": "DCH"}
    return Settings(**(known | {"seed": seed} | changes))


def open_run(seed: int = 0, **details) -> Tracker:
    settings = settings_of(seed)
    return open_tracker(Run.of(settings), hparams_of(settings), **details)


WRITE = """
import sys
from biodeephashing.models.PenaltyStrategies import Settings
from biodeephashing.runs import Run
from biodeephashing.runs.hparams_json import hparams_of
from biodeephashing.tracking import open_tracker

settings = Settings(database="TINY", experiment_name="trial", architecture="bio-lenet", mode="usf", loss="DCH", seed=int(sys.argv[1]))
with open_tracker(Run.of(settings), hparams_of(settings)) as tracker:
    for step in range(5):
        tracker.log_metrics({"val_mAP": step / 10}, step=step)
"""


@pytest.fixture(scope="module")
def store_of_four(tmp_path_factory) -> Path:
    """A project root with the store of four runs."""
    root = tmp_path_factory.mktemp("four")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HOME_VARIABLE, str(root))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        for seed in range(4):
            with open_run(seed) as tracker:
                for step in range(5):
                    tracker.log_metrics({"val_mAP": step / 10}, step=step)
    return root


@pytest.fixture
def home(store_of_four, tmp_path, monkeypatch) -> Path:
    """A copy of that project root."""
    shutil.copytree(store_of_four, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


def assert_four_runs():
    runs = finished_runs("TINY", "trial")
    assert sorted(run.settings["seed"] for run in runs) == ["0", "1", "2", "3"]
    assert all(run.curves["val_mAP"] == [(step, step / 10) for step in range(5)] for run in runs)


def test_four_runs_in_a_fresh_store(home):
    assert_four_runs()


@pytest.mark.slow
def test_four_processes_open_a_fresh_store_at_once_without_a_word(project_home, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    start = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    processes = [subprocess.Popen([sys.executable, "-c", WRITE, str(seed)], **start) for seed in range(4)]
    said = [process.communicate(timeout=900)[0] for process in processes]
    assert (said, [process.returncode for process in processes]) == ([""] * 4, [0] * 4)
    assert_four_runs()


def test_settings_and_tags(home):
    run = next(run for run in finished_runs("TINY", "trial") if run.settings["seed"] == "2")
    settings = settings_of(2)
    assert run.settings == {name: str(value) for name, value in hparams_of(settings).items()}
    wanted = {"mode": "usf", "loss": "DCH", "arch": "bio-lenet", "database": "TINY", "bits": "1", "seed": "2"}
    assert wanted.items() <= run.tags.items()
    assert run.tags["run_directory"] == f"models/PenaltyStrategies/TINY/trial/{settings.name}"
    assert run.tags["git_commit"]
    assert run.name == settings.name


def test_phases_add_to_the_same_run(home):
    with open_run(9, phase="train") as first:
        first.log_metrics({"val_mAP": 0.5}, step=0)
    with open_run(9, phase="evaluate") as second:
        second.log_metrics({"query_mAP_expected": 0.25})
        assert [run.status for run in tracked_runs("TINY", "trial") if run.run_id == second.run_id] == ["RUNNING"]
    assert first.run_id == second.run_id
    (run,) = (run for run in finished_runs("TINY", "trial") if run.run_id == first.run_id)
    assert run.metrics == {"val_mAP": 0.5, "query_mAP_expected": 0.25}
    assert run.tags["phase"] == "evaluate"
    record = json.loads((Run.of(settings_of(9)).directory / "mlflow.json").read_text())
    assert record == {"tracking_uri": "sqlite:///experiments/mlflow.db", "run_id": first.run_id}


def test_a_fresh_run_supersedes_the_former(home):
    with open_run(0) as former:
        pass
    with open_run(0, fresh=True) as latter:
        pass
    assert former.run_id != latter.run_id
    found = {run.run_id for run in finished_runs("TINY", "trial")}
    assert latter.run_id in found
    assert former.run_id not in found


def test_the_newest_run_of_a_directory_counts(home):
    with open_run(0) as former:
        pass
    (Run.of(settings_of(0)).directory / "mlflow.json").unlink()
    with open_run(0) as latter:
        pass
    found = [run.run_id for run in finished_runs("TINY", "trial") if run.settings["seed"] == "0"]
    assert found == [latter.run_id]
    assert former.run_id != latter.run_id


@pytest.mark.parametrize(
    "record", [{"tracking_uri": "sqlite:///experiments/mlflow.db", "run_id": "0" * 32}, {"tracking_uri": "http://elsewhere"}]
)
def test_a_record_that_leads_nowhere_is_replaced(home, record):
    file = Run.of(settings_of(0)).directory / "mlflow.json"
    file.write_text(json.dumps(record))
    with open_run(0) as tracker:
        pass
    assert json.loads(file.read_text())["run_id"] == tracker.run_id


def test_a_damaged_record_is_said(home):
    file = Run.of(settings_of(0)).directory / "mlflow.json"
    file.write_text("{")
    with pytest.raises(TrackingError, match=r"mlflow\.json is damaged"):
        open_run(0)


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt, "KILLED"), (ValueError, "FAILED")])
def test_how_a_run_ended(home, error, status):
    with pytest.raises(error), open_run(11) as tracker:
        raise error
    assert {run.run_id: run.status for run in tracked_runs("TINY", "trial")}[tracker.run_id] == status
    assert tracker.run_id not in {run.run_id for run in finished_runs("TINY", "trial")}
    tracker.close("FINISHED")  # closed already: nothing happens
    assert {run.run_id: run.status for run in tracked_runs("TINY", "trial")}[tracker.run_id] == status


def test_curves_with_repeated_steps_and_many_metrics(home):
    many = {f"update_angle/{layer}": float(layer) for layer in range(1_500)}
    with open_run(12) as tracker:
        for step, value in [(0, 0.1), (1, float("nan")), (2, 0.2), (2, 0.3)]:  # a resume repeats steps
            tracker.log_metrics({"val_mAP": value}, step)
        tracker.log_metrics(many)
    (run,) = (run for run in finished_runs("TINY", "trial") if run.run_id == tracker.run_id)
    assert run.curves == {"val_mAP": [(0, 0.1), (2, 0.3)]}
    assert many.items() <= run.metrics.items()


def test_artifacts_lie_beside_the_store(home):
    file = home / "table.csv"
    file.write_text("a,b\n")
    settings = settings_of(13, experiment_name="pictures")
    with open_tracker(Run.of(settings), hparams_of(settings)) as tracker:
        tracker.log_artifact(file, "tables")
    found = list((home / "experiments" / "mlartifacts").rglob("table.csv"))
    assert [path.parent.name for path in found] == ["tables"]


def test_a_root_whose_name_means_something_in_an_address(home, tmp_path_factory, monkeypatch):
    table = home / "table.csv"
    table.write_text("a,b\n")
    for name in ("a%20b", "what? ~[1] #+ü'$&"):
        around = tmp_path_factory.mktemp("around")
        root = around / name
        shutil.copytree(home / "experiments", root / "experiments")
        monkeypatch.setenv(HOME_VARIABLE, str(root))
        settings = settings_of(experiment_name="pictures")
        with open_tracker(Run.of(settings), hparams_of(settings)) as tracker:
            tracker.log_artifact(table, "tables")
        assert [run.run_id for run in finished_runs("TINY", "pictures")] == [tracker.run_id], name
        assert len(list((root / "experiments" / "mlartifacts").rglob("tables/table.csv"))) == 1, name
        assert list(around.iterdir()) == [root], name
        monkeypatch.chdir(around)
        address = shlex.split(how_to_open())[-1]
        assert make_url(address).database == f"{name}/experiments/mlflow.db"
        assert not address.startswith("sqlite:"), name  # MLflow would make directories beside the root


def test_parents_are_no_runs(home):
    parent = start_parent("TINY", "trial", "grid", {"cells": "1"})
    with open_run(14, parent=parent) as tracker:
        pass
    runs = {run.run_id: run for run in finished_runs("TINY", "trial")}
    assert parent not in runs
    assert runs[tracker.run_id].tags["mlflow.parentRunId"] == parent


def test_disabled_means_nothing_at_all(tmp_path, monkeypatch):
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    settings = settings_of()
    with open_tracker(Run.of(settings), hparams_of(settings), enabled=False) as tracker:
        tracker.log_metrics({"a": 1.0})
        tracker.log_artifact(tmp_path)
        tracker.set_tags({"a": "b"})
        tracker.close("FAILED")
    assert type(tracker) is Tracker
    assert list(tmp_path.iterdir()) == []


def test_reading_creates_no_store(tmp_path, monkeypatch):
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert (finished_runs("TINY", "trial"), known_experiments()) == ([], [])
    assert list(tmp_path.iterdir()) == []


def test_unknown_experiments(home):
    assert finished_runs("TINY", "other") == []
    assert known_experiments() == ["TINY/trial"]


@pytest.mark.parametrize("uri", ["http://127.0.0.1:1", "postgresql://ann:secret@127.0.0.1:1/mlflow"])
def test_a_server_that_is_not_there(tmp_path, monkeypatch, uri):
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(
        TrackingError, match=r"127.0.0.1:1.* cannot be reached .* correct MLFLOW_TRACKING_URI, or use -tracking off"
    ) as raised:
        open_run()
    assert "secret" not in str(raised.value)


def test_a_store_that_is_no_database(tmp_path, monkeypatch):
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "mlflow.db").write_bytes(b"not a database, but long enough to look like a file" * 100)
    with pytest.raises(TrackingError, match=r"mlflow.db cannot be reached \(file is not a database\): move that file away"):
        open_run()


def test_a_store_of_ones_own(home, tmp_path, monkeypatch):
    own = tmp_path / "own.db"
    shutil.copy(home / "experiments" / "mlflow.db", own)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{own.as_posix()}")
    with open_run(15) as tracker:
        pass
    assert tracker.run_id in {run.run_id for run in finished_runs("TINY", "trial")}
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert tracker.run_id not in {run.run_id for run in finished_runs("TINY", "trial")}


def test_mlflow_that_is_not_installed(home, monkeypatch):
    for name in ("_mlflow", "_store"):
        monkeypatch.delitem(sys.modules, f"biodeephashing.tracking.{name}")
    monkeypatch.setitem(sys.modules, "mlflow.tracking", None)
    with pytest.raises(TrackingError, match=r"pip install mlflow.*-tracking off"):
        open_run()


def test_importing_tracking_imports_no_mlflow():
    code = "import sys, biodeephashing.tracking; sys.exit(any(m.split('.')[0] in ('mlflow', 'torch') for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("http://ann:secret@example.org", "the MLflow page is at http://example.org"),
        ("sqlite:///a b.db", "--backend-store-uri 'sqlite:///a b.db'"),
    ],
)
def test_how_to_open(monkeypatch, uri, words):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert how_to_open().endswith(words)


def test_how_to_open_the_embedded_store(home, monkeypatch):
    monkeypatch.chdir(home)
    assert how_to_open().endswith("mlflow ui --backend-store-uri sqlite:///experiments/mlflow.db")
