"""Trainings that torchrun or srun launches: the bits of spawned processes, one message, and no end by a process that is lost."""

import os
import re
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import paired_dataset
import pytest
from training_cases import equal, weights

from biodeephashing.commands.train import train
from biodeephashing.errors import UsageError
from biodeephashing.models.entrances import predict, refuse_launch
from biodeephashing.models.PenaltyStrategies import Settings
from biodeephashing.runs import Run, settings_of
from biodeephashing.settings import CommonSettings
from biodeephashing.surroundings import Launch, launch
from biodeephashing.training.checkpoints import read_checkpoint
from biodeephashing.training.launched import launched
from biodeephashing.training.meeting import check_launch, leader_decides, leader_first, leads, meet

MODELS = Path(__file__).parents[2] / "src" / "models"
TORCHRUN = {"TORCHELASTIC_RUN_ID": "x", "RANK": "1", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2", "GROUP_WORLD_SIZE": "2"}
SRUN = {
    "SLURM_STEP_ID": "0", "SLURM_NTASKS": "4", "SLURM_PROCID": "3", "SLURM_LOCALID": "1", "SLURM_NODEID": "1", "SLURM_JOB_ID": "7",
    "SLURM_STEP_TASKS_PER_NODE": "2(x2)", "SLURM_STEP_NUM_NODES": "2", "SLURM_STEP_NODELIST": "localhost",
}  # fmt: skip


def surround(monkeypatch, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("variables", "want"),
    [
        ({}, Launch()),
        (TORCHRUN, Launch("torchrun", 1, 4, 2)),
        (SRUN, Launch("srun", 3, 4, 2)),
        (SRUN | {"SLURM_STEP_TASKS_PER_NODE": "3,1"}, Launch("srun", 3, 4, 0)),
        (SRUN | {"SLURM_NTASKS": "1"}, Launch()),
        ({name: value for name, value in SRUN.items() if name != "SLURM_STEP_ID"}, Launch()),  # a job script without srun
        (SRUN | TORCHRUN, Launch("torchrun", 1, 4, 2)),  # torchrun by srun, once a machine
    ],
)
def test_who_launched_a_process(variables, want, monkeypatch):
    surround(monkeypatch, variables)
    assert launch() == want
    assert leads() == (want.rank == 0)


@pytest.mark.parametrize(
    ("variables", "settings", "words"),
    [
        (TORCHRUN, {"devices": 8}, "-devices 8, but torchrun started 4"),
        (TORCHRUN | {"WORLD_SIZE": "1"}, {"devices": 2}, "-devices 2, but torchrun started 1"),
        (TORCHRUN | {"LOCAL_WORLD_SIZE": "3"}, {"devices": 4}, "4 processes on 2 machines.*--nproc-per-node"),
        (SRUN | {"SLURM_STEP_TASKS_PER_NODE": "3,1"}, {"devices": 4}, "4 processes on 2 machines.*--ntasks-per-node"),
    ],
)
def test_a_launch_that_does_not_fit_is_refused(variables, settings, words, monkeypatch):
    surround(monkeypatch, variables)
    with pytest.raises(UsageError, match=words):
        check_launch(Settings(batch_size=16, **settings))


def test_what_works_in_one_process_is_refused_once(monkeypatch):
    check_launch(Settings(devices=2))  # which spawns them
    surround(monkeypatch, TORCHRUN | {"RANK": "0"})
    with pytest.raises(UsageError, match=r"torchrun started 4 processes, and study\.py is one"):
        refuse_launch("study.py")
    with pytest.raises(UsageError, match="trains in one: start it without torchrun"):
        check_launch(CommonSettings())
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(SystemExit) as end:
        refuse_launch("study.py")
    assert end.value.code == UsageError.exit_status
    predict(["-p", "a run that is not there"])  # rank 0 looks for it


def test_one_alone_waits_for_nobody():
    with leader_first():
        meet()
    assert leader_decides(lambda: [1, None]) == [1, None]


def test_who_loses_rank_0_while_they_find_each_other_ends_silently(monkeypatch, capfd):
    port = str(free_port())
    keep = f"import time, torch.distributed as d; store = d.TCPStore('127.0.0.1', {port}, is_master=True); time.sleep(600)"
    rank_0 = subprocess.Popen([sys.executable, "-c", keep])

    def kill_instead(seconds):
        rank_0.kill()
        rank_0.wait()

    surround(monkeypatch, TORCHRUN | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port})
    monkeypatch.setattr("time.sleep", kill_instead)  # the first pause is that between two looks into the store
    with pytest.raises(SystemExit) as end, launched():
        raise AssertionError("nobody is there to train with")
    assert end.value.code == 1
    assert "error" not in capfd.readouterr().err


# ---------------------------------------------------------------- whole launches


def flags(settings, **changes) -> list[str]:
    given = {field.name: getattr(settings, field.name) for field, _ in settings.table() if getattr(settings, field.name) != field.default}
    given = {name: value for name, value in (given | changes).items() if name != "devices"}
    return [word for name, value in given.items() for word in (f"--{name}", *([] if value is True else [str(value)]))]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def start(words, **variables) -> subprocess.Popen:
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | variables
    return subprocess.Popen([sys.executable, *words], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def torchrun(*options, script="PenaltyStrategies") -> list[str]:
    return ["-m", "torch.distributed.run", *options, str(MODELS / script / "train.py")]


def srun(words, size=2, script="PenaltyStrategies") -> list[subprocess.Popen]:
    """Start what srun would start on one machine."""
    common = SRUN | {"SLURM_NTASKS": str(size), "SLURM_STEP_TASKS_PER_NODE": str(size), "SLURM_STEP_NUM_NODES": "1", "SLURM_NODEID": "0"}
    common |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    command = [str(MODELS / script / "train.py"), *words]
    return [start(command, **common | {"SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank)}) for rank in range(size)]


def ends(processes) -> list[tuple[int, str, str]]:
    told = [process.communicate(timeout=900) for process in processes]
    return [(process.returncode, *streams) for process, streams in zip(processes, told, strict=True)]


@pytest.mark.slow
def test_every_launch_gives_the_bits_of_spawned_processes(settings):
    """BiHalf also compares with features that rank 0 computes; its features, as all of the loss, are part of the state."""
    settings = replace(settings, loss="BiHalf")
    port = str(free_port())
    pair = ["--nnodes", "2", "--nproc-per-node", "1", "--master-addr", "127.0.0.1", "--master-port", port, "--node-rank"]
    processes = [
        start([*torchrun("--standalone", "--nproc-per-node", "2"), *flags(settings, experiment_name="one")]),
        *(start([*torchrun(*pair, rank), *flags(settings, experiment_name="pair")]) for rank in "01"),
        *srun(flags(settings, experiment_name="srun")),
    ]
    spawned = train(replace(settings, devices=2), quiet=True)
    told = ends(processes)
    assert [status for status, _, _ in told] == [0] * 5, told
    assert [out.count("epoch 3/3") for _, out, _ in told] == [1, 1, 0, 1, 0]
    assert [out.count("next: ") for _, out, _ in told] == [1, 1, 0, 1, 0]
    want, files = read_checkpoint(spawned.last_checkpoint)["state_dict"], {path.name for path in spawned.directory.iterdir()}
    for name in ("one", "pair", "srun"):
        run = Run.of(replace(settings, devices=2, experiment_name=name))
        assert equal(read_checkpoint(run.last_checkpoint)["state_dict"], want), name
        assert {path.name for path in run.directory.iterdir()} == files
        assert run.settings() == replace(settings, devices=2, experiment_name=name)


@pytest.mark.slow
def test_every_method_that_has_devices_can_be_launched(settings):
    """Two phases, codes that are solved for, and a loss that starts from outputs of rank 0; what comes after is done once."""
    common = {
        "transformations": "none", "architecture": "bio-lenet", "mode": "frsf", "batch_size": 8, "number_of_bits": 6, "num_workers": 0,
        "device": "cpu", "tracking": "off", "epochs": 2, "learning_rate": 1e-3,
    }  # fmt: skip
    methods = [
        settings_of("LLC")(database=settings.database, codebook_epochs=2, **common),
        settings_of("ADSH")(database=settings.database, samples=20, round_epochs=2, **common),
        settings_of("CrossModal")(database=paired_dataset.prepare_pairs(), loss="DCMH", text_architecture="bio-mlp:16", **common),
    ]
    launched = [srun([*flags(own, experiment_name="srun"), "-devices", "2"], script=own.method) for own in methods]
    for own, processes in zip(methods, launched, strict=True):
        spawned = train(replace(own, devices=2), quiet=True)
        told = ends(processes)
        assert [status for status, _, _ in told] == [0, 0], told
        assert told[1][1] == ""
        run = Run.of(replace(own, devices=2, experiment_name="srun"))
        assert equal(read_checkpoint(run.last_checkpoint)["state_dict"], read_checkpoint(spawned.last_checkpoint)["state_dict"]), own.method
        assert {path.name for path in run.directory.iterdir()} == {path.name for path in spawned.directory.iterdir()}


def worker(launcher: subprocess.Popen, rank: int) -> int:
    """Return the process of a rank that a launcher has started."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == launcher.pid and f"RANK={rank}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                return int(folder.name)
        except (OSError, ProcessLookupError):
            continue
    raise LookupError(rank)


def wait_for(launcher: subprocess.Popen, line: str) -> None:
    assert any(told.startswith(line) for told in launcher.stdout), launcher.stderr.read()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds the processes of torchrun in /proc")
def test_a_launch_that_is_ended_or_loses_a_process_goes_on_to_the_same_bits(settings):
    settings = replace(settings, epochs=30, patience=100, min_delta=0.0)
    whole = srun(flags(settings, experiment_name="whole"))
    command, run = [*torchrun("--standalone", "--nproc-per-node", "2", "--max-restarts", "1"), *flags(settings)], Run.of(settings)
    ended = start(command)
    wait_for(ended, "epoch 2/30")
    ended.send_signal(signal.SIGTERM)
    _, said = ended.communicate(timeout=900)
    assert said.count("interrupted; the same command goes on") == 1
    assert run.status == "interrupted"
    reached = read_checkpoint(run.last_checkpoint)["epoch"]
    losing = start(command)
    wait_for(losing, f"resuming after epoch {reached + 1} of 30")
    wait_for(losing, f"epoch {reached + 3}/30")
    os.kill(worker(losing, 1), signal.SIGKILL)
    wait_for(losing, "resuming after epoch")
    assert ends([losing])[0][0] == 0
    assert [status for status, _, _ in ends(whole)] == [0, 0]
    assert run.status == "finished"
    assert equal(weights(run), weights(Run.of(replace(settings, experiment_name="whole"))))


@pytest.mark.slow
def test_a_refusal_is_said_once_and_ends_all(settings):
    bad = replace(settings, transformations="none", architecture="bio-alexnet", weights="none", experiment_name="bad")
    cases = {
        "-bs 7 cannot be shared evenly by -devices 2": srun(flags(settings, batch_size=7)),
        "did you mean 'frsf'": srun(flags(settings, mode="frfs")),
        "alexnet cannot take images": srun(flags(bad)),
        "training diverged": srun(flags(replace(settings, loss="DPSH", learning_rate=1e30, no_cube=True))),
    }
    for words, processes in cases.items():
        told = ends(processes)
        assert all(status > 0 for status, _, _ in told), told
        said = "".join(error for _, _, error in told)
        assert len(re.findall(f"error: .*(?:{words})", said)) == 1, said
        assert said.count("error: ") == 1
        assert "Traceback" not in said
    assert not Run.of(bad).directory.exists()
