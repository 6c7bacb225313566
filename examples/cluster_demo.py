"""A grid on three simulated nodes of this machine, one process of which is killed: the same bits as one trial after the other.

    python src/data/process/DIGITS.py
    python examples/cluster_demo.py

It needs Linux and the extra ``cluster``. The runs go to the experiments ``cluster-serial`` and ``cluster-nodes`` on DIGITS, anew each time.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from biodeephashing.runs import Run

ROOT = Path(__file__).resolve().parents[1]
SERIAL, NODES = "cluster-serial", "cluster-nodes"
MODES, SEEDS = ("bp", "fa"), ("0", "1")
GRID = {
    "database": "DIGITS", "loss": "DCH", "number_of_bits": 16, "architecture": "bio-lenet", "transformations": "none", "batch_size": 32,
    "epochs": 4, "learning_rate": 3e-4, "num_workers": 0, "device": "cpu", "tracking": "off",
}  # fmt: skip


@contextmanager
def simulated_cluster() -> Iterator[str]:
    """Start a head that does no work and two nodes of one core, on loopback; yields the address."""
    with tempfile.TemporaryDirectory() as folder:
        token = Path(folder) / "token"
        token.touch(0o600)
        token.write_text(secrets.token_hex(32))
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token), "RAY_USAGE_STATS_ENABLED": "0"}
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # loopback only
        from ray.cluster_utils import Cluster

        small = {"object_store_memory": 80 * 2**20, "include_dashboard": False}
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **small})
        try:
            for _ in range(2):
                cluster.add_node(num_cpus=1, **small)
            yield cluster.address
        finally:
            cluster.shutdown()


def start(script: str, *words: str) -> subprocess.Popen[bytes]:
    """Start a command of this repository."""
    print(f"\n$ python {script} {' '.join(words)}", flush=True)
    return subprocess.Popen([sys.executable, str(ROOT / script), *words])


def grid(experiment: str, *words: str) -> subprocess.Popen[bytes]:
    """Start the grid of an experiment."""
    shared = [word for name, value in GRID.items() for word in (f"--{name}", str(value))]
    return start("src/models/PenaltyStrategies/study.py", "-exp", experiment, *shared, "-mode", *MODES, "-seed", *SEEDS, *words)


def runs_of(experiment: str) -> list[Run]:
    """Return the runs of the grid."""
    from biodeephashing.commands.study import expand
    from biodeephashing.models.PenaltyStrategies import Settings
    from biodeephashing.runs import Run

    values = GRID | {"experiment_name": experiment, "mode": MODES, "seed": SEEDS}
    return [Run.of(trial) for trial in expand(Settings, values, "the demo")]


def kill_one(runs: list[Run], command: subprocess.Popen[bytes]) -> None:
    """Kill the process of the first run that has finished an epoch and goes on."""
    while command.poll() is None:
        for run in runs:
            process = _holder(run.directory / ".lock") if run.last_checkpoint.exists() else None
            if process is not None:
                os.kill(process, signal.SIGKILL)
                print(f"killed: process {process}, which trained {run.name.partition('-mode=')[2].partition('-')[0]}", flush=True)
                return
        time.sleep(0.05)


def _holder(file: Path) -> int | None:
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if link.readlink() == file:
                return int(link.parts[2])
        except OSError:  # another user's, or gone
            continue
    return None


def equality_table(pairs: list[tuple[Run, Run]]) -> bool:
    """Print what is equal in the runs of both experiments, and return whether everything is."""
    import torch

    from biodeephashing.runs.result_json import read_result
    from biodeephashing.training.checkpoints import read_checkpoint

    print("\nmode  seed  weights  codes  query mAP, one by one   on the nodes")
    rows = []
    for serial, other in pairs:
        one, two = (read_checkpoint(run.best_checkpoint)["network"] for run in (serial, other))
        codes = [run.codes_file(fold).read_bytes() for fold in ("query", "database") for run in (serial, other)]
        found = [read_result(run.evaluation_file("query"))["mAP_expected"] for run in (serial, other)]
        equal = [all(torch.equal(one[name], two[name]) for name in one), codes[::2] == codes[1::2], found[0] == found[1]]
        settings = serial.settings()
        words = ["equal" if same else "DIFFER" for same in equal[:2]]
        print(f"{settings.mode:4}  {settings.seed:4}  {words[0]:7}  {words[1]:6} {found[0]:<22}  {found[1]}")
        rows.append(all(equal))
    return all(rows)


def shards_table(run: Run, folder: Path) -> bool:
    """Print whether the shards of a database, joined, are its codes as prediction wrote them, and return whether they are."""
    import numpy as np

    from biodeephashing.runs.shards import ShardFolder

    parts = [np.load(file) for file in sorted(folder.glob("part-?????.npy"))]
    whole = np.load(run.codes_file("database"))
    equal = ShardFolder(folder).done_file.is_file() and np.array_equal(np.concatenate(parts), whole)
    print(f"\n{len(parts)} shards of the database, {len(whole)} codes: {'equal' if equal else 'DIFFER'} to those of predict.py")
    return bool(equal)


def main() -> int:
    """Run the demo; returns 0 if everything is equal."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    from biodeephashing.runs import experiment_folder

    for experiment in (SERIAL, NODES):
        shutil.rmtree(experiment_folder("DIGITS", experiment), ignore_errors=True)
    if status := grid(SERIAL, "-jobs", "1").wait():
        return status
    nodes, serial = runs_of(NODES), runs_of(SERIAL)
    with simulated_cluster() as address, tempfile.TemporaryDirectory() as shards:
        where = ("-on", "ray", "-address", address, "-unit_cpus", "1")
        command = grid(NODES, *where)
        kill_one(nodes, command)
        if status := command.wait():
            return status
        source = ("-images", "DIGITS:database", "-o", shards, "-rows", "128", "-nw", "0", "-device", "cpu")
        if status := start("src/models/encode.py", "-p", str(nodes[0].directory), *source, *where).wait():
            return status
        encoded = shards_table(nodes[0], Path(shards))
    return 0 if equality_table(list(zip(serial, nodes, strict=True))) and encoded else 1


if __name__ == "__main__":
    raise SystemExit(main())
