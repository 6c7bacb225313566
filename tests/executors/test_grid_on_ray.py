"""A grid on a cluster whose processes and nodes die: the same bits as one process after the other."""

import secrets

import pytest
import torch
from simulated_cluster import Command, holder_of, kill, wait_until

from biodeephashing.commands.study import expand
from biodeephashing.models.PenaltyStrategies import Settings
from biodeephashing.runs import Run
from biodeephashing.runs.result_json import read_result
from biodeephashing.training.checkpoints import read_checkpoint

pytestmark = [pytest.mark.slow, pytest.mark.cluster, pytest.mark.xdist_group("cluster")]

STUDY = "src/models/PenaltyStrategies/study.py"
SHARED = {
    "architecture": "bio-lenet", "transformations": "none", "loss": "DCH", "number_of_bits": 8, "batch_size": 8, "epochs": 12,
    "patience": 12, "num_workers": 0, "device": "cpu", "tracking": "off",
}  # fmt: skip
FLAGS = [word for name, value in SHARED.items() for word in (f"--{name}", str(value))]


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def runs_of(experiment, database):
    values = {**SHARED, "mode": ["bp", "fa"], "seed": [0, 1], "learning_rate": 1e-3}
    return [Run.of(trial) for trial in expand(Settings, values | {"experiment_name": experiment, "database": database}, "example")]


def results_of(run):
    codes = {fold: run.codes_file(fold).read_bytes() for fold in ("query", "database")}
    result = read_result(run.evaluation_file("query"))
    return codes, {name: value for name, value in result.items() if name.startswith("mAP")}


def first_at_work(runs, besides=()):
    """Return the process of the first run that has finished an epoch and goes on, and the run."""
    for run in runs:
        if run not in besides and run.last_checkpoint.exists() and (process := holder_of(run.directory / ".lock")):
            return process, run
    return None


def test_a_grid_whose_process_and_node_are_killed_gives_the_bits_of_a_serial_one(cluster, tiny_database, project_home):
    grid = ["-db", tiny_database, *FLAGS, "-mode", "bp", "fa", "-seed", "0", "1", "-exp"]
    on_cluster = ["-on", "ray", "-address", cluster.address, "-unit_cpus", "1"]
    status, *_ = Command([STUDY, *grid, "serial", "-lr", "1e-3", "-jobs", "1"], project_home).end()
    assert status == 0

    runs = runs_of("grid", tiny_database)
    command = Command([STUDY, *grid, "grid", "-lr", "1e-3", *on_cluster], project_home)
    process, first = wait_until(lambda: first_at_work(runs))
    kill(process)
    process, _ = wait_until(lambda: first_at_work(runs, besides=[first]))
    cluster.kill_node_of(process)
    status, told, complained = command.end()
    assert status == 0, complained
    assert complained.count("begins again") == 2
    assert "Traceback" not in complained
    assert "raylet" not in told + complained
    for run, serial in zip(runs, runs_of("serial", tiny_database), strict=True):
        one, other = read_checkpoint(run.best_checkpoint), read_checkpoint(serial.best_checkpoint)
        assert equal(one["network"], other["network"])
        assert results_of(run) == results_of(serial)

    status, told, complained = Command([STUDY, *grid, "grid", "-lr", "1e-3", "1e30", *on_cluster], project_home).end()
    assert status == 1
    assert "4 of 8 trials failed" in complained
    assert complained.count("diverged") == 4
    assert "begins again" not in complained
    assert told.count("was trained already") == 4


def test_nobody_without_the_token_gets_in_and_nobody_outside_this_machine(cluster, tiny_database, project_home, tmp_path):
    assert cluster.listening() == {"127.0.0.1"}
    words = [STUDY, "-db", tiny_database, *FLAGS, "-exp", "stranger", "-on", "ray", "-address", cluster.address, "-unit_cpus", "1"]
    status, told, complained = Command(words, project_home, RAY_AUTH_TOKEN=secrets.token_hex(32)).end()
    assert (status, told) == (1, "")
    assert "does not take this process" in complained
    assert "token" in complained
    assert not (project_home / "models").exists()


def test_a_unit_that_fits_no_node_is_refused(cluster, tiny_database, project_home):
    words = [STUDY, "-db", tiny_database, *FLAGS, "-on", "ray", "-address", cluster.address, "-unit_cpus", "2"]
    status, _, complained = Command(words, project_home).end()
    assert status == 2
    assert "a unit takes 2 cores" in complained
    assert not (project_home / "models").exists()
