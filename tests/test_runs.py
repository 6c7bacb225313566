"""Runs: where everything lies, finding a run again, and files that are whole or not there."""

import json
import os
import stat
import subprocess
from dataclasses import replace

import pytest

from biodeephashing.errors import RunError, UsageError
from biodeephashing.models.PenaltyStrategies import Settings
from biodeephashing.runs import (
    HOME_VARIABLE,
    STATUSES,
    Run,
    comparison_folder,
    experiment_folder,
    experiments_folder,
    home,
    known_runs,
    processed_folder,
    raw_folder,
    read_json,
    recover,
    replacing,
    replacing_folder,
    write_json,
)
from biodeephashing.runs.hparams_json import hparams_of, write_hparams

SETTINGS = Settings(architecture="bio-vgg16", loss="DCH", number_of_bits=32, database="DIGITS", experiment_name="e1")


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    return tmp_path


@pytest.fixture
def run(root):
    run = Run.of(SETTINGS)
    write_json(run.hparams_file, hparams_of(SETTINGS))
    return run


def test_home_is_the_variable_or_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "a"))
    assert home() == tmp_path / "a"
    monkeypatch.chdir(tmp_path)
    for unset in (lambda: monkeypatch.setenv(HOME_VARIABLE, ""), lambda: monkeypatch.delenv(HOME_VARIABLE)):
        unset()
        assert home().resolve() == tmp_path.resolve()
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    for written, meant in {"~/a": "me/a", "a": "a", "~a-b/c": "~a-b/c"}.items():  # as a file of settings has it, that no shell reads
        monkeypatch.setenv(HOME_VARIABLE, written)
        assert home().resolve() == (tmp_path / meant).resolve(), written


def test_a_shell_reads_a_quoted_run_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setenv(HOME_VARIABLE, f"{tmp_path}/a \\$HOME 'b' \"c\" `d`")
    run = Run("TINY", "trial", "-mode=fa")
    assert subprocess.run(["sh", "-c", f"printf %s {run.quoted}"], capture_output=True, text=True, check=True).stdout == str(run)


def test_places(root):
    assert processed_folder("DIGITS") == root / "data" / "processed" / "DIGITS"
    assert raw_folder("CIFAR_10") == root / "data" / "raw" / "CIFAR_10"
    assert experiments_folder() == root / "experiments"
    assert experiment_folder("DIGITS", "e1") == root / "models" / "PenaltyStrategies" / "DIGITS" / "e1"
    assert experiment_folder("DIGITS", "e1", "LLC") == root / "models" / "LLC" / "DIGITS" / "e1"
    for methods, name in {(): "PenaltyStrategies", ("LLC", "LLC"): "LLC", ("LLC", "ITQ"): "comparison"}.items():
        assert comparison_folder("DIGITS", "e1", *methods) == root / "eval" / name / "DIGITS" / "e1", methods


def test_files_of_a_run(root):
    run = Run.of(SETTINGS)
    folder = root / "models" / "PenaltyStrategies" / "DIGITS" / "e1" / SETTINGS.name
    assert run.directory == folder
    assert run.hparams_file == folder / "hparams.json"
    assert run.last_checkpoint == folder / "last.ckpt"
    assert run.features_file("val") == folder / "val-features.npy"
    assert run.codes_file("val") == folder / "val-codes.npy"
    assert run.hashes_file("val") == folder / "val-hashes.tsv"
    assert run.evaluation_file("val") == root / "eval" / "PenaltyStrategies" / "DIGITS" / "e1" / SETTINGS.name / "val-prediction_mAP.json"
    assert run.logs == root / "experiments" / "lightning_logs" / "DIGITS" / "e1" / SETTINGS.name
    assert replace(run, method="LLC").logs == root / "experiments" / "lightning_logs" / "LLC" / "DIGITS" / "e1" / SETTINGS.name
    assert str(run) == str(folder)


# ---------------------------------------------------------------- finding a run again


def test_a_run_is_found_by_its_folder(root, run, monkeypatch):
    relative = run.directory.relative_to(root)
    for path in (run.directory, str(run.directory) + os.sep, relative, str(relative)):
        assert Run.at(path) == run
    monkeypatch.chdir(root / "models")
    assert Run.at(relative) == run  # relative to the project root
    monkeypatch.chdir(root.parent)
    assert Run.at(str(run)) == run  # as a command names it, from where one stands
    assert not os.path.isabs(str(run))  # noqa: PTH117 - what is printed is text


def test_settings_lead_back(run):
    assert run.settings() == SETTINGS


def test_a_missing_run_names_the_nearest(run):
    wrong = str(run.directory).replace("nbits=32", "nbits=23")
    with pytest.raises(RunError, match=r"there is no run directory .*nbits=23.*; the nearest is '-loss=DCH-nbits=32"):
        Run.at(wrong)


def test_a_missing_experiment(root):
    with pytest.raises(RunError, match=r"there is no run directory .*x$"):
        Run.at("models/PenaltyStrategies/DIGITS/nowhere/x")


@pytest.mark.parametrize("place", ["models/PenaltyStrategies/DIGITS/e1", "somewhere", "."])
def test_a_folder_that_is_no_run(root, run, place):
    (root / place).mkdir(parents=True, exist_ok=True)
    with pytest.raises(RunError, match=r"is not a run directory: those lie at models/<METHOD>/<DB>/<EXP>/<NAME>"):
        Run.at(place)


def test_a_run_of_another_method(root, run):
    other = Run("DIGITS", "e1", SETTINGS.name, "Foreign")
    misspelt = root / "models" / "PenaltyStrategy" / "DIGITS" / "e1" / "x"
    with pytest.raises(RunError, match=r"no run directory .*: unknown method 'PenaltyStrategy': did you mean 'PenaltyStrategies'"):
        Run.at(misspelt)
    misspelt.mkdir(parents=True)
    with pytest.raises(RunError, match="not a run directory: unknown method 'PenaltyStrategy': did you mean 'PenaltyStrategies'"):
        Run.at(misspelt)
    write_hparams(other.hparams_file, hparams_of(SETTINGS) | {"model": "Foreign"})
    assert known_runs() == [other, run]
    assert Run.at(other.directory) == other
    assert other.hparams()["number_of_bits"] == 32
    with pytest.raises(RunError, match="is a run of the method Foreign, which is not installed; installed: PenaltyStrategies"):
        other.settings()
    assert other.evaluation == root / "eval" / "Foreign" / "DIGITS" / "e1" / SETTINGS.name
    other.directory.rename(root / "copy")
    run.directory.rename(other.directory)  # the other run's settings, in the place of this one
    with pytest.raises(RunError, match=r"describes another run \(PenaltyStrategies/DIGITS/e1/"):
        other.hparams()


def test_a_file_is_no_run(run):
    with pytest.raises(RunError, match="there is no run directory"):
        Run.at(run.hparams_file)


def test_a_run_of_another_project(run, tmp_path_factory, monkeypatch):
    folder = run.directory
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path_factory.mktemp("other")))
    with pytest.raises(RunError, match=f"lies outside the project root .*: set {HOME_VARIABLE}"):
        Run.at(folder)


@pytest.mark.parametrize("level", ["name", "experiment", "database"])
def test_a_renamed_folder_is_noticed(run, level):
    folders = {"name": run.directory, "experiment": run.directory.parent, "database": run.directory.parent.parent}
    parts = [run.database, run.experiment, run.name]
    parts[["database", "experiment", "name"].index(level)] = "renamed"
    folders[level].rename(folders[level].with_name("renamed"))
    renamed = Run.at(experiment_folder(*parts[:2]) / parts[2])
    with pytest.raises(RunError, match=r"describes another run \(PenaltyStrategies/DIGITS/e1/.*\): the directory was renamed or copied"):
        renamed.settings()


def test_a_run_without_settings(run):
    run.hparams_file.unlink()
    with pytest.raises(RunError, match=r"hparams.json is missing"):
        run.settings()


@pytest.mark.parametrize("text", ["", "{", '{"seed": 1', "[1]", "3", '"text"', b"\xff\xfe"])
def test_damaged_settings(run, text):
    run.hparams_file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(RunError, match=r"hparams.json is damaged"):
        run.settings()


def test_settings_with_a_foreign_key(run):
    write_json(run.hparams_file, hparams_of(SETTINGS) | {"colour": "red"})
    with pytest.raises(UsageError, match=r"hparams.json: unknown setting 'colour': a newer version"):
        run.settings()


def test_best_checkpoint(run):
    with pytest.raises(RunError, match=r"holds no best-epoch=<n>.ckpt: train it first"):
        _ = run.best_checkpoint
    for age, epoch in enumerate((9, 10)):  # by age, not by name: "best-epoch=9" sorts behind "best-epoch=10"
        path = run.directory / f"best-epoch={epoch}.ckpt"
        path.touch()
        os.utime(path, (age, age))
    assert run.best_checkpoint.name == "best-epoch=10.ckpt"


# ---------------------------------------------------------------- status markers


def test_status_markers_are_renamed(root):
    run = Run.of(SETTINGS)
    assert run.status is None
    for status in ("training", "training", "interrupted", "training", "finished"):
        run.mark(status)
        assert run.status == status
        assert [path.name for path in run.directory.glob("status=*")] == [f"status={status}.out"]
        assert (run.directory / f"status={status}.out").stat().st_size == 0


def test_an_unknown_status_is_refused(root):
    with pytest.raises(RunError, match=r"'done' is no status: those are training, finished, interrupted"):
        Run.of(SETTINGS).mark("done")
    assert STATUSES == ("training", "finished", "interrupted")


# ---------------------------------------------------------------- writing files


def test_replacing_writes_the_whole_file_and_makes_its_folder(tmp_path):
    path = tmp_path / "a" / "b" / "c.npy"
    with replacing(path) as temporary:
        assert temporary.suffix == ".npy"
        assert temporary.parent == path.parent
        temporary.write_bytes(b"whole")
        assert not path.exists()
    assert path.read_bytes() == b"whole"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError("x")])
def test_replacing_leaves_the_old_file_on_failure(tmp_path, error):
    path = tmp_path / "c.txt"
    path.write_text("old")

    def fail():
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_says_which_file_found_no_place(tmp_path):
    with pytest.raises(OSError, match="No space left") as found, replacing(tmp_path / "c.txt"):
        raise OSError(28, "No space left on device")
    assert found.value.filename == str(tmp_path / "c.txt")


def test_replacing_beside_a_long_name(tmp_path):
    path = tmp_path / ("n" * 250 + ".txt")
    with replacing(path) as temporary:
        temporary.write_text("x")
    assert path.read_text() == "x"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
def test_a_written_file_has_ordinary_permissions(tmp_path):
    write_json(tmp_path / "a.json", {})
    (tmp_path / "b.json").touch()
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a.json", "b.json")}
    assert len(modes) == 1


def test_json_round_trip(tmp_path):
    content = {"a": 1, "b": [0.1, 1e-05], "c": "é", "d": None, "e": True}
    write_json(tmp_path / "x.json", content)
    assert read_json(tmp_path / "x.json") == content
    assert (tmp_path / "x.json").read_text().splitlines()[1] == ' "a": 1,'
    write_json(tmp_path / "x.json", content, indent=4)
    assert (tmp_path / "x.json").read_text().splitlines()[1] == '    "a": 1,'


def test_what_cannot_be_written_as_json_leaves_the_old_file(tmp_path):
    write_json(tmp_path / "x.json", {"a": 1})
    with pytest.raises(TypeError):
        write_json(tmp_path / "x.json", {"a": object()})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": 1}
    assert len(list(tmp_path.iterdir())) == 1


def leave_by_a_kill(folder, *, between):
    """Leave a directory as a process that was killed while it replaced one leaves it, before or between the two renamings."""
    new, old = folder.with_name(f".{folder.name}.new"), folder.with_name(f".{folder.name}.old")
    new.mkdir()
    (new / "part").write_text("new")
    if between:
        folder.rename(old)


@pytest.mark.parametrize("between", [False, True])
def test_a_directory_is_the_old_or_the_new_one(tmp_path, between):
    folder = tmp_path / "kept"
    with replacing_folder(folder) as new:
        (new / "a").write_text("first")
    leave_by_a_kill(folder, between=between)
    recover(folder)
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"a": "first"}
    assert list(tmp_path.iterdir()) == [folder]
    leave_by_a_kill(folder, between=between)

    def fail():
        with replacing_folder(folder) as new:
            (new / "b").write_text("second")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        fail()
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"a": "first"}
    with replacing_folder(folder) as new:
        (new / "b").write_text("second")
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"b": "second"}
    assert list(tmp_path.iterdir()) == [folder]
