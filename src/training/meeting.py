"""How the processes of a launch keep together: who leads, where they wait for each other, and what rank 0 decides for all."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any, TypeVar

from ..errors import UsageError
from ..settings import CommonSettings, TrainingSettings
from ..surroundings import Launch, launch

Value = TypeVar("Value")

PAUSE = 0.05  # seconds between two looks for the others: a signal ends the wait, as it could not end one of PyTorch's own


class Meeting:
    """Where the processes of a launch meet: keys in the store that PyTorch's own processes find each other by.

    Args:
        own: which of the processes this one is.
        store: the store of PyTorch, which is not imported here: a command that has nothing to train starts without it.
    """

    def __init__(self, own: Launch, store: Any) -> None:
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
            time.sleep(PAUSE)

    def wait_for_all(self, key: str) -> None:
        """Wait until all have arrived at a point."""
        self.wait(lambda: self.store.add(key, 0) == self.own.size)

    def fails_first(self, status: int) -> bool:
        """Return whether no other process has failed before, and let the others end with an exit status if so."""
        if self.store.add("failures", 1) > 1:
            return False
        self.store.set("failed", str(status))
        return True


_meeting: Meeting | None = None  # of this process; None for one alone


@contextmanager
def joined(meeting: Meeting) -> Iterator[None]:
    """Let this process take part in a meeting inside the block."""
    global _meeting
    _meeting = meeting
    try:
        yield
    finally:
        _meeting = None


def common_store() -> Any:
    """Return the store that the processes of the launch have to themselves; inside :func:`joined`."""
    assert _meeting is not None
    return _meeting.store


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
