"""The processes of this machine as an executor."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import cycle, islice
from typing import Any

from ..errors import RunError
from ..settings import CommonSettings
from ..settings.units import Placement
from ._interface import Executor, Outcome, Result, Unit
from .gpus import assign, see

SHUTDOWN_SECONDS = 20  # seconds that a unit has to stop once the executor's process is gone


class LocalPool:
    """Does units of work in processes of this machine, each process many units: heavy libraries are imported once per process.

    Args:
        jobs: processes at a time; 0 for one per core, or one per assignment of GPUs, whose memory several processes would have to share.
        gpus: the GPUs of each process, see :func:`~biodeephashing.executors.gpus.assign`; empty if no process needs its own.
    """

    def __init__(self, jobs: int = 0, gpus: Sequence[str] = ()) -> None:
        self.jobs = jobs or len(gpus) or cores()
        self.gpus = gpus
        self.places: Sequence[str] = ()

    def run(self, work: Callable[[Unit], Result], units: Sequence[Unit]) -> Generator[Outcome[Unit, Result], None, None]:
        """Do the work of all units, see :class:`~biodeephashing.executors.Executor`."""
        lost: list[Unit] = []
        yield from _outcomes(work, units, min(self.jobs, len(units)), self.gpus, lost)
        for unit in lost:  # alone: a killed process breaks the whole pool, so most of these did nothing wrong
            again: list[Unit] = []
            yield from _outcomes(work, [unit], 1, self.gpus, again)
            if again:
                yield Outcome(unit, error=RunError("its process was killed (out of memory? fewer -jobs may help)"))


@contextmanager
def open_local(placement: Placement, settings: CommonSettings | None = None) -> Iterator[Executor]:
    """Yield the processes of this machine, each with GPUs of its own where the runs use any."""
    yield LocalPool(placement.jobs, assign(settings) if settings else ())


def cores() -> int:
    """Return the number of processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _prepare_worker(threads: int, gpus: Any) -> None:
    see(gpus.get())

    def interrupt(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import torch

    torch.set_num_threads(min(threads, torch.get_num_threads()))  # which OMP_NUM_THREADS may have set lower


def _end_with_parent() -> None:
    """End this process when the executor's is gone: a killed one cannot, and a lock held here would block the next."""
    _parent().join()
    os.kill(os.getpid(), signal.SIGTERM)  # a running training marks its run as interrupted
    time.sleep(SHUTDOWN_SECONDS)
    os._exit(1)


def _unless_orphaned(work: Callable[[Unit], Result], unit: Unit) -> Result:
    """Do the work of a unit, and end before the next one if the executor's process is gone."""
    try:
        return work(unit)
    finally:
        if not _parent().is_alive():
            os._exit(1)


def _parent() -> Any:
    process = multiprocessing.parent_process()
    assert process is not None
    return process


def _outcomes(
    work: Callable[[Unit], Result], units: Sequence[Unit], jobs: int, gpus: Sequence[str], lost: list[Unit]
) -> Generator[Outcome[Unit, Result], None, None]:
    """Yield the outcomes of units, several running at a time, and append those whose process was killed to ``lost``."""
    context = multiprocessing.get_context("spawn")  # a forked child would inherit PyTorch's thread pools in a state it cannot use
    assignments = context.SimpleQueue()  # of GPUs, one for each process
    for assigned in islice(cycle(gpus or [None]), jobs):
        assignments.put(assigned)
    pool = ProcessPoolExecutor(jobs, context, initializer=_prepare_worker, initargs=(max(1, cores() // jobs), assignments))
    try:
        futures = {pool.submit(_unless_orphaned, work, unit): unit for unit in units}
        for future in as_completed(futures):
            try:
                outcome = Outcome(futures[future], future.result())
            except BrokenProcessPool:
                lost.append(futures[future])
                continue
            except Exception as error:  # noqa: BLE001 - a defect met by one unit must not take the others down
                outcome = Outcome(futures[future], error=error)
            yield outcome
    except (KeyboardInterrupt, GeneratorExit):
        for process in list(pool._processes.values()):  # each marks its run as interrupted
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
