"""The record of a training in the run's directory, from its start to its end."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from ..runs import Run, only_process
from ..runs.hparams_json import write_hparams
from ..settings import CommonSettings
from .feeding import recorded_settings
from .same_split import record_split


@contextmanager
def recorded_training(run: Run, settings: CommonSettings, *, anew: bool) -> Iterator[None]:
    """Train a run inside the block: its settings, its split and its status are recorded, and no other process trains it meanwhile.

    A method that trains nothing marks its run as finished by an empty block.

    Args:
        run: the run.
        settings: its settings.
        anew: whether the files of an earlier training are removed first.

    Raises:
        RunError: if another process trains the run. Whatever the block raises marks the run as interrupted.
    """
    with only_process(run.directory / ".lock", wait=0, busy=f"another process is training this run: {run}"):
        if anew:
            _clear(run)
        run.mark("training")
        try:
            write_hparams(run.hparams_file, recorded_settings(settings))
            record_split(run)
            yield
        except BaseException:
            run.mark("interrupted")
            raise
        run.mark("finished")


def _clear(run: Run) -> None:
    """Remove the files of an earlier training of a run: checkpoints, codes, indexes, export, marker, alignment and evaluation."""
    records = (run.predictions_file.name, run.alignment_file.name, run.codebook_file.name)
    patterns = ("*.ckpt", "*-features.npy", "*-codes.npy", "*-hashes.tsv", "*-hash.mat", *records, "status=*.out")
    for pattern in patterns:
        for path in run.directory.glob(pattern):
            path.unlink()
    for path in (*run.evaluation.glob(run.evaluation_file("*").name), run.class_codes_file):
        path.unlink(missing_ok=True)
    for pattern in (f"{run.index().name}*", run.export.name):
        for folder in run.directory.glob(pattern):
            shutil.rmtree(folder)
