"""A cluster of three nodes on this machine, and commands that run on it while a test looks on and kills processes."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LIMIT = 240  # seconds that anything here may take on a busy machine
NODE = {"object_store_memory": 80 * 2**20, "include_dashboard": False}


class SimulatedCluster:
    """A head that does no work and two nodes of one core, each with processes of its own.

    Args:
        token: the file of the token that they ask for.
    """

    def __init__(self, token: Path) -> None:
        from ray.cluster_utils import Cluster  # after its variables are set

        self.token = token
        self.cluster: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **NODE})
        self.nodes = [self.cluster.add_node(num_cpus=1, **NODE) for _ in range(2)]

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    def kill_node_of(self, process: int) -> None:
        """Kill the node that a process works for, and give the cluster another one."""
        node = next(node for node in self.nodes if _parent_of(process) == node.all_processes["raylet"][0].process.pid)
        self.nodes.remove(node)
        self.cluster.remove_node(node, allow_graceful=False)
        self.nodes.append(self.cluster.add_node(num_cpus=1, **NODE))

    def listening(self) -> set[str]:
        """Return the addresses that the sockets of all its processes listen on."""
        return {address for process in descendants(os.getpid()) for address in listening(process)}


class Command:
    """A command of this repository that runs while a test looks on.

    Args:
        words: the script and its flags.
        home: the project root.
        variables: of its environment, beside those of this process.
    """

    def __init__(self, words: list[str], home: Path, **variables: str) -> None:
        environment = os.environ | {"BIODEEPHASHING_HOME": str(home), "OMP_NUM_THREADS": "1"} | variables
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / words[0]), *words[1:]],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=home, start_new_session=True,
        )  # fmt: skip

    def end(self) -> tuple[int, str, str]:
        """Wait for the end, and return exit status, standard output and standard error."""
        told, complained = self.process.communicate(timeout=LIMIT)
        return self.process.returncode, told, complained


def wait_until(is_so: Callable[[], Any]) -> Any:
    """Wait until something is so, and return it."""
    end = time.monotonic() + LIMIT
    while not (value := is_so()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    return value


def holder_of(file: Path) -> int | None:
    """Return the process that has a file open, if there is one."""
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if link.readlink() == file:
                return int(link.parts[2])
        except OSError:  # the process or the file has just gone
            continue
    return None


def descendants(process: int) -> list[int]:
    """Return the processes that a process started, and those they started."""
    children = Path(f"/proc/{process}/task/{process}/children")
    direct = [int(child) for child in children.read_text().split()] if children.exists() else []
    return direct + [further for child in direct for further in descendants(child)]


def worker_of(node: Any) -> int | None:
    """Return a process of a node that does a unit, or could, if there is one."""
    raylet = node.all_processes["raylet"][0].process.pid
    return next((process for process in descendants(raylet) if name_of(process).startswith("ray::_do")), None)


def name_of(process: int) -> str:
    """Return the name of a process, "" where it is gone."""
    file = Path(f"/proc/{process}/comm")
    return file.read_text().strip() if file.exists() else ""


def kill(process: int) -> None:
    os.kill(process, signal.SIGKILL)


def _parent_of(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def is_of_ray(process: int) -> bool:
    command = Path(f"/proc/{process}/cmdline")
    return command.exists() and b"ray" in command.read_bytes()


def listening(process: int) -> set[str]:
    """Return the addresses that the sockets of a process listen on."""
    inodes = set()
    for link in Path(f"/proc/{process}/fd").glob("*"):
        target = os.readlink(link) if link.is_symlink() else ""  # noqa: PTH115 - it may go meanwhile
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    found = set()
    for table, family, length in (("tcp", socket.AF_INET, 1), ("tcp6", socket.AF_INET6, 4)):
        for line in Path(f"/proc/{process}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                digits = fields[1].partition(":")[0]
                words = [int(digits[8 * word : 8 * word + 8], 16) for word in range(length)]
                address = socket.inet_ntop(family, struct.pack(f"={length}I", *words))
                found.add(address.removeprefix("::ffff:"))  # an IPv4 address in a socket for both
    return found
