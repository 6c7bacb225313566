"""The record of a training in the run's directory, from its start to its end."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from ..runs import Run, only_process
from ..runs.hparams_json import write_hparams
from ..settings import CommonSettings
from .attempt import Attempt
from .feeding import recorded_settings
from .meeting import leader_decides, leads, meet
from .same_split import record_split


@contextmanager
def recorded_training(run: Run, settings: CommonSettings, *, anew: bool) -> Iterator[Attempt]:
    """Train a run inside the block: its settings, its split and its status are recorded, and no other process trains it meanwhile.

    A method that trains nothing marks its run as finished by an empty block. Of several processes of a launch the first one records;
    the others train, between its start and its end.

    Args:
        run: the run.
        settings: its settings.
        anew: whether the files of an earlier training are removed first.

    Yields:
        The attempt, to be checked before anything is written.

    Raises:
        RunError: if another process trains the run. Whatever the block raises marks the run as interrupted.
        SupersededError: if another process took the run over, as it may where locks do not reach; then nothing is marked.
    """
    if leads():
        with _recorded(run, settings, anew=anew) as attempt:
            leader_decides(lambda: attempt.word)
            yield attempt
            meet()
    else:
        yield Attempt(run, leader_decides(lambda: ""))
        meet()
    meet()  # nobody goes on before the run is marked


@contextmanager
def _recorded(run: Run, settings: CommonSettings, *, anew: bool) -> Iterator[Attempt]:
    with only_process(run.directory / ".lock", wait=0, busy=f"another process is training this run: {run}"):
        attempt = Attempt.begin(run)
        if anew:
            _clear(run)
        run.mark("training")
        try:
            write_hparams(run.hparams_file, recorded_settings(settings))
            record_split(run)
            yield attempt
            attempt.check()
        except BaseException:
            if attempt.is_current:
                run.mark("interrupted")
                attempt.end()
            raise
        run.mark("finished")
        attempt.end()


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
