"""A Ray cluster; the only file that imports Ray, which takes variables of the environment into account when it is imported."""

from __future__ import annotations

import io
import logging
import signal
import sys
import traceback
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import ray
from ray.exceptions import RayError, RaySystemError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ..errors import BioDeepHashingError, RunError
from ..surroundings import stand_alone
from ._interface import Outcome, Result, Unit

OBJECT_STORE = 80 * 2**20  # bytes of a node's; nothing large passes through it, and Ray would take a third of the memory
PATIENCE = 30  # seconds without a result until the nodes are counted again
PROBE_SECONDS = 120  # seconds that all nodes have to answer, some of which start Python for it
SHUTDOWN_SECONDS = 20  # seconds that a unit has to stop after Ctrl-C

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Node:
    """A node of the cluster.

    Args:
        key: Ray's name of it.
        host: the name of its machine.
        cpus: cores that Ray hands out there.
        gpus: GPUs.
    """

    key: str
    host: str
    cpus: float
    gpus: float

    def fits(self, cpus: int, gpus: int) -> bool:
        """Return whether the node has what a unit takes, in use or not."""
        return self.cpus >= cpus and self.gpus >= gpus

    def __str__(self) -> str:
        """Return the node in words."""
        gpus = f", {self.gpus:g} GPU{'s' if self.gpus > 1 else ''}" if self.gpus else ""
        return f"{self.host}: {self.cpus:g} core{'' if self.cpus == 1 else 's'}{gpus}"


def connect(address: str, variables: Mapping[str, str], log: Path) -> None:
    """Join a cluster, or start one on this machine.

    Args:
        address: HOST:PORT, or local to start one.
        variables: of the environment of all units.
        log: the file for what Ray has to say.

    Raises:
        RunError: if the cluster refuses.
    """
    logger = logging.getLogger("ray")
    logger.handlers, logger.propagate = [logging.FileHandler(log)], False
    details: dict[str, Any] = {"include_dashboard": False, "object_store_memory": OBJECT_STORE} if address == "local" else {}
    handler = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address, runtime_env={"env_vars": dict(variables)}, log_to_driver=False, configure_logging=False, **details)
    except (RayError, RuntimeError, ValueError, OSError) as error:
        raise RunError(
            f"the cluster at {address} does not take this process: {_first_line(error)}. Is the token of this user that of the cluster, "
            f"and are Python and Ray the same? {log} has more"
        ) from error
    finally:
        signal.signal(signal.SIGTERM, handler)  # Ray's own would end the process without a word


def disconnect() -> None:
    """Leave the cluster, which ends if it was started for this process."""
    ray.shutdown()


def nodes() -> list[Node]:
    """Return the nodes that are alive."""
    alive = [(node, node["Resources"]) for node in ray.nodes() if node["Alive"]]
    return [Node(node["NodeID"], node["NodeManagerHostname"], has.get("CPU", 0), has.get("GPU", 0)) for node, has in alive]


def on_every_node(work: Callable[[], Answer], where: Sequence[Node]) -> list[Answer]:
    """Return what a function returns on each of some nodes.

    Raises:
        RunError: if a node does not answer, or fails.
    """
    there = [NodeAffinitySchedulingStrategy(node.key, soft=False) for node in where]
    tasks = [_call.options(num_cpus=0, max_retries=0, scheduling_strategy=strategy).remote(work) for strategy in there]
    answers = []
    for node, answer in zip(where, tasks, strict=True):
        try:
            answers.append(ray.get(answer, timeout=PROBE_SECONDS))
        except RayTaskError as error:
            raise RunError(f"the node {node.host} cannot run this package: {_last_line(error)}") from error
        except RayError as error:
            raise RunError(f"the node {node.host} does not answer within {PROBE_SECONDS} s: {_first_line(error)}") from error
    return answers


class RayCluster:
    """Does units of work as tasks of the cluster that this process has joined.

    Args:
        places: its nodes, a line each.
        jobs: units at a time; 0 for as many as the nodes take.
        cpus: cores of a unit.
        gpus: GPUs of a unit, which sees no others.
        retries: how often a unit begins again after its process or its node died. One that fails by itself does not.
    """

    def __init__(self, places: Sequence[str], *, jobs: int, cpus: int, gpus: int, retries: int) -> None:
        self.places = places
        self.jobs = jobs
        self.cpus = cpus
        self.gpus = gpus
        self.retries = retries

    def run(self, work: Callable[[Unit], Result], units: Sequence[Unit]) -> Generator[Outcome[Unit, Result], None, None]:
        """Do the work of all units, see :class:`~biodeephashing.executors.Executor`."""
        task = _do.options(num_cpus=self.cpus, num_gpus=self.gpus, max_retries=0)  # they are counted, and reported, here
        waiting = deque((unit, self.retries) for unit in units)
        running: dict[Any, tuple[Unit, int]] = {}
        alone = False  # whether no node is left that a unit fits
        try:
            while waiting or running:
                while waiting and len(running) < (self.jobs or len(units)):
                    unit, left = waiting.popleft()
                    running[task.remote(work, unit)] = unit, left
                done, _ = ray.wait(list(running), timeout=PATIENCE)
                if done:
                    alone = False
                elif not alone and not any(node.fits(self.cpus, self.gpus) for node in nodes()):
                    alone = True
                    _tell("no node is left that has what a unit takes: waiting for one; after Ctrl-C the same command goes on")
                for reference in done:
                    unit, left = running.pop(reference)
                    outcome = _outcome(reference, unit)
                    if outcome is not None:
                        yield outcome
                    elif left:
                        _tell(f"a process or its node died; its unit begins again ({left} of {self.retries} retries left)")
                        waiting.appendleft((unit, left - 1))
                    else:
                        reason = f"its process or its node died, {self.retries + 1} times (out of memory? see -unit_cpus and -retries)"
                        yield Outcome(unit, error=RunError(reason))
        except (KeyboardInterrupt, GeneratorExit):
            for reference in running:
                ray.cancel(reference)  # what runs is interrupted as by Ctrl-C, and marks its run; what waits is dropped
            if running:
                ray.wait(list(running), num_returns=len(running), timeout=SHUTDOWN_SECONDS)
            raise


@ray.remote
def _call(work: Callable[[], Any]) -> Any:
    return work()


@ray.remote
def _do(work: Callable[[Any], Any], unit: Any) -> tuple[Any, Exception | None, str]:
    """Do a unit in a process of the cluster; returns result, error, and what was written to standard error, which only the node has."""
    stand_alone()
    with redirect_stderr(io.StringIO()) as written:
        try:
            result, error = work(unit), None
        except Exception as failure:  # noqa: BLE001 - it is an outcome, and no reason for Ray to try again
            if not isinstance(failure, (BioDeepHashingError, OSError)):
                failure.add_note("".join(traceback.format_exception(failure)))  # which does not travel by itself
            result, error = None, failure
    return result, error, written.getvalue()


def _outcome(reference: Any, unit: Unit) -> Outcome[Unit, Any] | None:
    """Return the outcome of a unit, None where its process or its node died."""
    try:
        result, error, written = ray.get(reference)
    except (RayTaskError, RaySystemError) as problem:  # a package that cannot be imported there, a result that cannot be sent or read
        return Outcome(unit, error=problem)
    except RayError:
        return None
    sys.stderr.write(written)
    return Outcome(unit, result, error)


def _tell(message: str) -> None:
    sys.stderr.write(f"warning: {message}\n")


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _last_line(error: BaseException) -> str:
    return next(reversed(str(error).strip().splitlines()), type(error).__name__)
