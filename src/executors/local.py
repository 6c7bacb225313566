"""A grid of runs on all cores: the heavy libraries are imported once per process, not once per run."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import cycle, islice
from typing import Any, TypeAlias

from tqdm import tqdm

from ..errors import BioDeepHashingError, describe, full_card
from ..hparams import Settings, table
from ..runs import Run
from ..surroundings import has_terminal
from ..tracking import start_parent
from .gpus import see, shares

Work: TypeAlias = Callable[..., str]

GRACE = 20  # seconds that a cell has to stop once the grid's process is gone


def run_grid(cells: Sequence[Settings], work: Work, *, jobs: int, title: str) -> list[str]:
    """Do the work of every cell, several at a time, and return one message per failed cell.

    Args:
        cells: the settings of each run.
        work: what is done with a cell, given its settings and the grid's MLflow run; it returns the line that tells how it went.
        jobs: processes at a time; 0 for one per core, or one per graphics card, whose memory several would have to share.
        title: name of the grid's MLflow run.
    """
    cards = shares(cells[0])
    jobs = min(jobs or len(cards) or cores(), len(cells))
    parent = None
    if cells[0].tracking == "on" and any(cell.no_skip or Run.of(cell).status != "finished" for cell in cells):
        parent = start_parent(cells[0].database, cells[0].experiment_name, title, {"cells": str(len(cells))})
    with tqdm(total=len(cells), unit="run", desc="grid", disable=not has_terminal()) as bar:
        report = _Report(cells, bar)
        lost = _run_all(cells, jobs, cards, partial(work, parent=parent), report)
        for cell in lost:  # alone: the process that was killed took the innocent ones of its pool with it
            for _ in _run_all([cell], 1, cards, partial(work, parent=parent), report):
                report.failed(cell, "its process was killed (out of memory? fewer -jobs may help)")
    return report.failures


def cores() -> int:
    """Return the number of processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _prepare_worker(threads: int, cards: Any) -> None:
    see(cards.get())

    def interrupt(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    threading.Thread(target=_end_with_grid, daemon=True).start()
    import torch

    torch.set_num_threads(threads)


def _end_with_grid() -> None:
    """End this process when the grid's is gone: killed, that could not, and this one's lock would keep the next grid off its run."""
    _grid_process().join()
    os.kill(os.getpid(), signal.SIGTERM)  # a cell at work marks its run as interrupted
    time.sleep(GRACE)
    os._exit(1)


def _in_grid(work: Callable[[Settings], str], cell: Settings) -> str:
    """Do the work of a cell, and take none of the cells that wait if the grid's process is gone."""
    try:
        return work(cell)
    finally:
        if not _grid_process().is_alive():
            os._exit(1)


def _grid_process() -> Any:
    process = multiprocessing.parent_process()
    assert process is not None
    return process


def _run_all(
    cells: Sequence[Settings], jobs: int, cards: Sequence[str], work: Callable[[Settings], str], report: _Report
) -> list[Settings]:
    """Run cells, several at a time, and return those that were lost because a process was killed."""
    threads = max(1, cores() // jobs)
    context = multiprocessing.get_context("spawn")  # a forked child would inherit PyTorch's thread pools in a state it cannot use
    dealt = context.SimpleQueue()  # a share for each process
    for share in islice(cycle(cards or [None]), jobs):
        dealt.put(share)
    pool = ProcessPoolExecutor(jobs, context, initializer=_prepare_worker, initargs=(threads, dealt))
    lost = []
    try:
        futures = {pool.submit(_in_grid, work, cell): cell for cell in cells}
        for future in as_completed(futures):
            try:
                report.done(futures[future], future.result())
            except BrokenProcessPool:
                lost.append(futures[future])
            except (BioDeepHashingError, OSError) as error:
                report.failed(futures[future], describe(error))
            except Exception as error:  # noqa: BLE001 - a defect met by one cell must not take the others down
                report.failed(futures[future], full_card(error) or "".join(traceback.format_exception(error)).rstrip())
    except KeyboardInterrupt:
        for process in list(pool._processes.values()):  # each marks its run as interrupted
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return lost


class _Report:
    """Tells how each cell went, by what sets it apart from the others of its grid."""

    def __init__(self, cells: Sequence[Settings], bar: Any) -> None:
        named = [field.name for field, setting in table() if setting.named != "never"]
        self.varying = [name for name in named if len({getattr(cell, name) for cell in cells}) > 1]
        self.bar = bar
        self.failures: list[str] = []

    def done(self, cell: Settings, line: str) -> None:
        self._tell(f"{self._label(cell)}: {line}")

    def failed(self, cell: Settings, reason: str) -> None:
        self.failures.append(f"  {self._label(cell)}: {reason}")
        self._tell(f"{self._label(cell)}: FAILED: {reason}")

    def _tell(self, line: str) -> None:
        tqdm.write(line)
        self.bar.update()

    def _label(self, cell: Settings) -> str:
        return " ".join(f"{name}={getattr(cell, name)}" for name in self.varying) or cell.name
