"""Processes that ``torchrun`` or ``srun`` started to train one run together: what rank 0 does before the others, and how all end."""

from __future__ import annotations

import json
import os
import re
import secrets
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any, TypeVar

from torch.distributed import DistError
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from ..errors import INTERRUPTED, BioDeepHashingError, RunError, UsageError
from ..settings import CommonSettings, TrainingSettings
from ..surroundings import Launch, launch

Value = TypeVar("Value")

_PAUSE = 0.05  # seconds between two looks for the others: a signal ends the wait, as it could not end one of PyTorch's own
_LOST = re.compile(r"gloo|NCCL|connection (closed|reset) by peer|broken pipe", re.IGNORECASE)


class _Meeting:
    """Where the processes of a launch meet: keys in the store that PyTorch's own processes find each other by.

    Args:
        own: which of the processes this one is.
        store: the store.
    """

    def __init__(self, own: Launch, store: Store) -> None:
        self.own = own
        self.store = store
        self.points = count()
        self.decisions = count()  # apart: what rank 0 decides before a point, the others read after it

    def arrive(self) -> str:
        """Count this process as here at the next point where all meet, and return the point's key."""
        key = f"arrived/{next(self.points)}"
        self.store.add(key, 1)
        return key

    def wait(self, arrived: Callable[[], bool]) -> None:
        """Wait until others have arrived, and end silently with the first process that fails."""
        while not arrived():
            if self.store.check(["failed"]):
                raise SystemExit(int(self.store.get("failed")))
            time.sleep(_PAUSE)

    def wait_for_all(self, key: str) -> None:
        """Wait until all have arrived at a point."""
        self.wait(lambda: self.store.add(key, 0) == self.own.size)

    def fails_first(self, status: int) -> bool:
        """Return whether no other process has failed before, and let the others end with an exit status if so."""
        if self.store.add("failures", 1) > 1:
            return False
        self.store.set("failed", str(status))
        return True


_meeting: _Meeting | None = None  # of this process; None for one alone


@contextmanager
def launched() -> Iterator[None]:
    """Let the processes of a launch train together inside the block.

    Where one of them fails, all end: the first one with its message, the others silently, so that it is read once.

    Raises:
        RunError: if another process ended without a message.
    """
    global _meeting
    own = launch()
    meeting = _Meeting(own, _find_others(own))
    with warnings.catch_warnings():
        if own.rank:
            warnings.simplefilter("ignore")  # rank 0 issues the same ones
        try:
            _meeting = meeting
            yield
            key = meeting.arrive()
            if own.rank == 0:  # last to go: it may keep the store, and has the run's end to write
                meeting.wait_for_all(key)
        except SystemExit:
            raise
        except BaseException as error:
            _end(meeting, error)
            raise
        finally:
            _meeting = None


def check_launch(settings: CommonSettings) -> None:
    """Refuse settings that the processes of a launch cannot train together.

    Raises:
        UsageError: for another number of devices than processes, machines with different numbers of them, or a method that trains in one.
    """
    own, devices = launch(), settings.devices if isinstance(settings, TrainingSettings) else 1
    if own.size > 1 and not isinstance(settings, TrainingSettings):
        raise UsageError(f"{own.by} started {own.size} processes, and {settings.method} trains in one: start it without {own.by}")
    if own.by and devices != own.size:
        raise UsageError(f"-devices {devices}, but {own.by} started {own.size}: leave it out, or give it the same number")
    machines = int(os.environ.get("GROUP_WORLD_SIZE" if own.by == "torchrun" else "SLURM_STEP_NUM_NODES", "1"))
    if own.here * machines != own.size:
        raise UsageError(
            f"{own.by} started {own.size} processes on {machines} machines, not the same number on each: give each machine as many "
            f"({'--nproc-per-node' if own.by == 'torchrun' else '--ntasks-per-node'})"
        )


def leads() -> bool:
    """Return whether this process leads: it alone writes the run's files and speaks."""
    return launch().rank == 0


def meet() -> None:
    """Wait until all processes of the launch are here; all end where one has failed."""
    if _meeting is not None:
        _meeting.wait_for_all(_meeting.arrive())


@contextmanager
def leader_first() -> Iterator[None]:
    """Run the block in the process of rank 0, then in the others: they find what it fills, and end where it refuses."""
    if not leads():
        meet()
    yield
    if leads():
        meet()
    meet()


def leader_decides(decide: Callable[[], Value]) -> Value:
    """Return in all processes what a function returns in that of rank 0, which alone calls it.

    Args:
        decide: returns what JSON can hold.
    """
    if _meeting is None:
        return decide()
    key, store = f"decided/{next(_meeting.decisions)}", _meeting.store
    if leads():
        value = decide()
        store.set(key, json.dumps(value))
        return value
    _meeting.wait(lambda: store.check([key]))
    decided: Any = json.loads(store.get(key))
    return decided


def _find_others(own: Launch) -> Store:
    """Return a store that the processes of the launch have in common; those of ``srun`` get what ``torchrun`` sets for its own."""
    if own.by == "srun":
        first = re.sub(r"\[(\d+)[^]]*]", r"\1", os.environ["SLURM_STEP_NODELIST"]).partition(",")[0]  # node[01-04,07] begins with node01
        port = 15_000 + int(os.environ["SLURM_JOB_ID"]) % 10_000
        group = os.environ["SLURM_NODEID"]
        known = {"RANK": own.rank, "WORLD_SIZE": own.size, "LOCAL_RANK": os.environ["SLURM_LOCALID"], "GROUP_RANK": group}
        os.environ |= {name: str(value) for name, value in known.items()}
        os.environ |= {"MASTER_ADDR": os.environ.get("MASTER_ADDR", first), "MASTER_PORT": os.environ.get("MASTER_PORT", str(port))}
    store, _, _ = next(rendezvous("env://"))
    return _own_part(own, PrefixStore("biodeephashing", store))


def _own_part(own: Launch, store: Store) -> Store:
    """Return the part of a store that these processes alone use: ``torchrun`` keeps it for those that it starts after them.

    Rank 0 makes a word for the part; it goes by it once all others have said that they read it, each with a word of its own.
    """
    word, others = secrets.token_hex(8), range(1, own.size)
    if own.rank == 0:
        store.set("part", word)
        part = PrefixStore(word, store)
        while not all(part.check([str(rank)]) for rank in others):
            time.sleep(_PAUSE)
        part.set("all", json.dumps([part.get(str(rank)).decode() for rank in others]))
        return part
    while True:
        if store.check(["part"]):
            part = PrefixStore(store.get("part").decode(), store)
            part.set(str(own.rank), word)
            if part.check(["all"]) and word in json.loads(part.get("all")):
                return part
        time.sleep(_PAUSE)


def _end(meeting: _Meeting, error: BaseException) -> None:
    """Let all processes end for an error: unless another one was first, return for it to be raised, or explain it.

    Raises:
        SystemExit: if another process failed before, and its message is the one to read.
        RunError: if the error is nothing but the end of a connection to another process.
    """
    status = INTERRUPTED if isinstance(error, KeyboardInterrupt) else getattr(error, "exit_status", 1)
    try:
        first = meeting.fails_first(status)
    except RuntimeError:  # the store went with the process of rank 0
        first = False
    if not first:
        raise SystemExit(status) from error
    lost = isinstance(error, DistError) or (isinstance(error, RuntimeError) and _LOST.search(str(error)))
    if lost and not isinstance(error, BioDeepHashingError):
        raise RunError(
            "another process of this training was ended from outside, perhaps because memory ran out; the same command goes on from the "
            "last finished epoch"
        ) from error
