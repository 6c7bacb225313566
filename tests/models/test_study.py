"""The grid runner: what it expands to, what it runs, what it skips, and what it says of a trial that fails."""

import os
import re
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
import torch

from biodeephashing import errors
from biodeephashing.commands.grids.grid import run_grid
from biodeephashing.commands.study import expand, run_trial, study, trials_of
from biodeephashing.errors import BioDeepHashingError, UsageError
from biodeephashing.executors import LocalPool
from biodeephashing.executors.gpus import VARIABLE, assign
from biodeephashing.models.PenaltyStrategies import Settings
from biodeephashing.models.PenaltyStrategies.study import main
from biodeephashing.runs import Run
from biodeephashing.settings.parsers import study_parser
from biodeephashing.settings.units import Placement

SHARED = ["-exp", "grid", "-trf", "none", "-arch", "bio-lenet", "-loss", "DCH", "-nbits", "8", "-bs", "8", "-ep", "1", "-nw", "0"]


def test_cells_are_all_combinations_in_the_order_of_the_table():
    trials = expand(Settings, {"seed": [0, 1], "mode": ["bp", "fa"], "architecture": "bio-lenet", "number_of_bits": [16, 32]}, "example")
    assert [(c.number_of_bits, c.seed, c.mode) for c in trials] == [
        (bits, seed, mode) for bits in (16, 32) for seed in (0, 1) for mode in ("bp", "fa")
    ]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"database": ["DIGITS", "CIFAR_10"]}, "exactly one value"),
        ({"seed": []}, "no value"),
        ({"sead": [1]}, "did you mean 'seed'"),
        ({"mode": ["fa", "frfs"], "architecture": "bio-lenet"}, "did you mean 'frsf'"),
    ],
)
def test_bad_grids_are_refused(values, message):
    with pytest.raises(UsageError, match=message):
        expand(Settings, values, "example")


def test_a_value_listed_twice_is_refused():
    with pytest.raises(UsageError, match="2 trials with 1 different runs"):
        study(expand(Settings, {"seed": [0, 0]}, "example"))


def test_the_flags_win_over_the_file(tmp_path):
    config = tmp_path / "grid.yaml"
    config.write_text("number_of_bits: [16, 32]\nseed: [0, 1, 2]\nlr: 1e-4\narch: bio-lenet\n")
    trials = trials_of(study_parser(Settings).parse_args(["-config", str(config), "-seed", "7", "-mode", "bp", "fa"]), Settings)
    assert [(c.number_of_bits, c.seed, c.mode, c.learning_rate) for c in trials] == [
        (bits, 7, mode, 1e-4) for bits in (16, 32) for mode in ("bp", "fa")
    ]


COMPARISON = {"comparison.csv", "comparison-runs.csv", "comparison.md", "comparison-bars.png", "comparison-curves.png"}


def test_a_grid_trains_compares_skips_and_survives_a_failing_cell(tiny_database, project_home, capfd):
    flags = [*SHARED, "-db", tiny_database, "-device", "cpu", "-mode", "bp", "fa"]
    with pytest.raises(BioDeepHashingError, match=r"2 of 4 trials failed(.|\n)*learning_rate=1e\+30(.|\n)*diverged"):
        main([*flags, "-lr", "1e-3", "1e30", "-jobs", "1"])
    told = "".join(capfd.readouterr())
    assert all(f"mode={mode} learning_rate=0.001:" in told for mode in ("bp", "fa"))
    comparison = project_home / "eval" / "PenaltyStrategies" / tiny_database / "grid"
    assert {path.name for path in comparison.iterdir() if path.is_file()} == COMPARISON
    trials = trials_of(study_parser(Settings).parse_args([*flags, "-lr", "1e-3"]), Settings)
    assert all("was trained already" in run_trial(trial, None) for trial in trials)


def test_a_part_runs_its_trials_and_no_others(tiny_database, project_home, capsys):
    flags = [*SHARED, "-db", tiny_database, "-device", "cpu", "-mode", "bp", "fa", "frsf", "-lr", "1e-3", "-tracking", "off", "-jobs", "1"]
    main([*flags, "-part", "1/3"])
    main([*flags, "-part", "3/4"])
    assert "part 1/3: 1 of 1 trials" in (told := capsys.readouterr().out)
    assert "part 3/4: 0 of 0 trials" in told
    trials = trials_of(study_parser(Settings).parse_args(flags), Settings)
    assert [Run.of(trial).status for trial in trials] == [None, "finished", None]


@pytest.mark.slow
def test_a_grid_of_two_processes_goes_on_in_one(tiny_database, project_home, capfd):
    flags = [*SHARED, "-db", tiny_database, "-device", "cpu", "-mode", "bp", "fa", "-lr", "1e-3"]
    main([*flags, "-jobs", "2"])
    told = "".join(capfd.readouterr())
    assert all(f"mode={mode}:" in told for mode in ("bp", "fa"))
    comparison = project_home / "eval" / "PenaltyStrategies" / tiny_database / "grid"
    assert {path.name for path in comparison.iterdir() if path.is_file()} == COMPARISON
    main([*flags, "-seed", "0", "1", "-jobs", "1"])
    assert "".join(capfd.readouterr()).count("was trained already") == 2
    default = expand(
        Settings, {"mode": ["bp", "fa"], "architecture": "bio-lenet", "database": tiny_database, "experiment_name": "grid"}, "example"
    )
    assert all(Run.of(trial).status is None for trial in default)  # other settings, other directories: nothing else was touched


def fragile(settings, parent):
    """Stand in for a trial: seed 1 is killed as the system would for memory, seed 2 meets a defect, seed 4 a full GPU."""
    if settings.seed == 0:
        warnings.warn_explicit("a remark", UserWarning, errors.__file__, 1)
    if settings.seed == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if settings.seed == 2:
        raise ZeroDivisionError("a defect")
    if settings.seed == 4:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has")
    return f"seed {settings.seed} is fine, on card {os.environ.get(VARIABLE)}"


@pytest.mark.slow
def threads_of(unit: int) -> int:
    return torch.get_num_threads()


def test_a_process_takes_no_more_threads_than_asked_for(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert [outcome.result for outcome in LocalPool(1).run(threads_of, [0])] == [1]


def test_a_killed_or_defective_cell_does_not_take_the_others_down(capfd, monkeypatch):
    see_gpus(monkeypatch, 0)
    trials = expand(Settings, {"seed": [0, 1, 2, 3, 4], "mode": "fa", "architecture": "bio-lenet", "tracking": "off"}, "example")
    failures = run_grid(trials, fragile, placement=Placement(jobs=2), title="fragile")
    told, warned = capfd.readouterr()
    assert "warning: seed=0: a remark\n" in warned
    assert "seed=0: seed 0 is fine, on card None" in told
    assert "seed=3: seed 3 is fine, on card None" in told
    assert len(failures) == 3
    assert any("seed=1: its process was killed" in failure for failure in failures)
    assert any("seed=2" in failure and "ZeroDivisionError: a defect" in failure for failure in failures)
    assert any("seed=4: the GPU has too little free memory (2.00 GiB more needed)" in failure for failure in failures)


@pytest.mark.parametrize(
    ("device", "devices", "there", "named", "want"),
    [
        ("auto", 1, 3, None, ["0", "1", "2"]),
        ("cuda", 1, 1, None, ["0"]),
        ("cuda", 2, 5, None, ["0,1", "2,3"]),
        ("auto", 2, 4, "7,5,GPU-1f,3", ["7,5", "GPU-1f,3"]),
        ("auto", 1, 2, "1,0,-1,2", ["1", "0"]),  # CUDA reads up to the first that does not exist
        ("auto", 4, 2, None, []),
        ("cpu", 1, 3, None, []),
        ("auto", 1, 0, None, []),
        ("auto", 1, 0, "", []),
    ],
)
def test_gpus_are_shared_out(device, devices, there, named, want, monkeypatch):
    see_gpus(monkeypatch, there, named)
    assert assign(Settings(device=device, devices=devices)) == want


def see_gpus(monkeypatch, count, named=None):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.delenv(VARIABLE, raising=False)
    if named is not None:
        monkeypatch.setenv(VARIABLE, named)


def look_round(settings, parent):
    """Stand in for a trial: wait until two processes are at work, so that none is left out, and tell what this one sees."""
    meeting = Path(os.environ["MEETING"])
    (meeting / str(os.getpid())).touch()
    while len(list(meeting.iterdir())) < 2:
        time.sleep(0.01)
    return f"process {os.getpid()} sees {os.environ.get(VARIABLE)}"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("gpus", "jobs", "seen"),
    [(2, 0, ["0", "1"]), (3, 2, ["0", "1"]), (1, 2, ["0", "0"])],
    ids=["one run per GPU", "more GPUs than runs", "two runs on a GPU"],
)
def test_runs_of_a_grid_share_no_gpu_that_they_could_have_alone(gpus, jobs, seen, tmp_path, monkeypatch, capfd):
    see_gpus(monkeypatch, gpus)
    monkeypatch.setenv("MEETING", str(tmp_path))
    trials = expand(Settings, {"seed": [0, 1, 2, 3], "tracking": "off"}, "example")
    assert run_grid(trials, look_round, placement=Placement(jobs=jobs), title="gpus") == []
    told = re.findall(r"process (\d+) sees (.*)", capfd.readouterr().out)
    assert len(told) == 4
    assert sorted(share for _, share in set(told)) == seen


ENDLESS = """
import time
from biodeephashing.executors import local
from biodeephashing.commands.grids.grid import run_grid
from biodeephashing.commands.study import expand
from biodeephashing.models.PenaltyStrategies import Settings
from biodeephashing.settings.units import Placement

local.SHUTDOWN_SECONDS = 1000  # a busy machine may stand still for longer than a trial is given

def work(settings, parent):
    try:
        print("at work", flush=True)
        time.sleep(1000)
    except KeyboardInterrupt:
        print("told to stop", flush=True)
        raise

if __name__ == "__main__":
    run_grid(expand(Settings, {"seed": [0, 1], "tracking": "off"}, "example"), work, placement=Placement(jobs=1), title="endless")
"""


def test_a_killed_grid_takes_its_processes_along(tmp_path):
    """Its output ends when the last process that could write to it is gone."""
    script = tmp_path / "endless.py"
    script.write_text(ENDLESS)
    grid = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert grid.stdout.readline() == "at work\n"
    grid.kill()
    assert grid.communicate(timeout=900)[0] == "told to stop\n"
