"""A grid of runs on all cores: the heavy libraries are imported once per process, not once per run."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from tqdm import tqdm

from ...errors import BioDeepHashingError, describe
from ...hparams import Settings
from ...runs import Run
from ...tracking import start_parent


def run_grid(cells: Sequence[Settings], *, jobs: int, title: str) -> list[str]:
    """Train, predict and evaluate every cell, and return one message per failed cell.

    Args:
        cells: the settings of each run.
        jobs: processes at a time; 0 for one per core.
        title: name of the grid's MLflow run.
    """
    jobs = min(jobs or cores(), len(cells))
    parent = None
    if cells[0].tracking == "on" and any(cell.no_skip or Run.of(cell).status != "finished" for cell in cells):
        parent = start_parent(cells[0].database, cells[0].experiment_name, title, {"cells": str(len(cells))})
    threads = max(1, cores() // jobs)
    # spawn: a forked child would inherit PyTorch's thread pools in a state it cannot use
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), initializer=_prepare_worker, initargs=(threads,))
    try:
        futures = {pool.submit(run_cell, cell, parent): cell for cell in cells}
        return _collect(futures)
    except KeyboardInterrupt:
        for process in list(pool._processes.values()):  # each marks its run as interrupted
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def cores() -> int:
    """Return the number of processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_cell(settings: Settings, parent: str | None) -> str:
    """Train, predict and evaluate one cell, and return the line that tells how it went."""
    from biodeephashing.eval.eval_map import evaluate
    from biodeephashing.models.PenaltyStrategies.predict import predict
    from biodeephashing.models.PenaltyStrategies.train import reason_to_skip, train

    started = time.monotonic()
    skipped = reason_to_skip(Run.of(settings), settings) is not None
    run = train(settings, quiet=True, parent=parent)
    predict(settings, quiet=True)
    results = evaluate(run, no_skip=settings.no_skip, quiet=True)
    done = "was trained already" if skipped else f"{time.monotonic() - started:.0f} s"
    return f"{results['query']['mAP_expected']:.4f} query mAP ({done})"


def _prepare_worker(threads: int) -> None:
    def interrupt(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    import torch

    torch.set_num_threads(threads)


def _collect(futures: dict[Future[str], Settings]) -> list[str]:
    failures: list[str] = []
    with tqdm(total=len(futures), unit="run", desc="grid", disable=None) as bar:
        for future in as_completed(futures):
            label = _label(futures[future], futures.values())
            try:
                tqdm.write(f"{label}: {future.result()}")
            except (BioDeepHashingError, OSError) as error:
                failures.append(f"  {label}: {describe(error)}")
                tqdm.write(f"{label}: FAILED: {describe(error)}")
            except BrokenProcessPool:
                failures.append(f"  {label}: its process was killed (not enough memory for so many -jobs?)")
            bar.update()
    return failures


def _label(settings: Settings, cells: Any) -> str:
    """Return what sets a cell apart from the others of its grid."""
    keys = ("loss", "number_of_bits", "architecture", "mode", "seed", "learning_rate", "batch_size", "scale")
    varying = [key for key in keys if len({getattr(cell, key) for cell in cells}) > 1]
    return " ".join(f"{key}={getattr(settings, key)}" for key in varying) or settings.name
