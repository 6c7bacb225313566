"""Processes that ``torchrun`` or ``srun`` started to train one run together: what rank 0 does before the others, and how all end."""

from __future__ import annotations

import json
import os
import re
import secrets
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from torch.distributed import DistError, destroy_process_group, init_process_group, is_initialized
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from ..errors import INTERRUPTED, BioDeepHashingError, RunError
from ..surroundings import Launch, launch
from .meeting import PAUSE, Meeting, common_store, joined

_LOST = re.compile(r"gloo|NCCL|connection (closed|reset) by peer|broken pipe", re.IGNORECASE)


@contextmanager
def launched() -> Iterator[None]:
    """Let the processes of a launch train together inside the block.

    Where one of them fails, all end: the first one with its message, the others silently, so that it is read once.

    Raises:
        RunError: if another process ended without a message.
    """
    own = launch()
    meeting = Meeting(own, _find_others(own))
    with warnings.catch_warnings():
        if own.rank:
            warnings.simplefilter("ignore")  # rank 0 issues the same ones
        try:
            with joined(meeting):
                yield
            if is_initialized():
                destroy_process_group()
            key = meeting.arrive()
            if own.rank == 0:  # last to go: it may keep the store, and has the run's end to write
                meeting.wait_for_all(key)
        except SystemExit:
            raise
        except BaseException as error:
            _end(meeting, error)
            raise


def join_group(backend: str) -> None:
    """Let the processes find each other for their gradients, where Lightning would do so with the addresses of those that were restarted.

    Args:
        backend: "gloo" or "nccl".
    """
    if not is_initialized():
        own = launch()
        init_process_group(backend, store=PrefixStore("group", common_store()), rank=own.rank, world_size=own.size)


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
    try:
        return _own_part(own, PrefixStore("biodeephashing", store))
    except DistError as error:  # the store went with the process of rank 0, whose message is the one to read
        raise SystemExit(1) from error


def _own_part(own: Launch, store: Store) -> Store:
    """Return the part of a store that these processes alone use: ``torchrun`` keeps it for those that it starts after them.

    Rank 0 makes a word for the part; it goes by it once all others have said that they read it, each with a word of its own.
    """
    word, others = secrets.token_hex(8), range(1, own.size)
    if own.rank == 0:
        store.set("part", word)
        part = PrefixStore(word, store)
        while not all(part.check([str(rank)]) for rank in others):
            time.sleep(PAUSE)
        part.set("all", json.dumps([part.get(str(rank)).decode() for rank in others]))
        return part
    while True:
        if store.check(["part"]):
            part = PrefixStore(store.get("part").decode(), store)
            part.set(str(own.rank), word)
            if part.check(["all"]) and word in json.loads(part.get("all")):
                return part
        time.sleep(PAUSE)


def _end(meeting: Meeting, error: BaseException) -> None:
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
