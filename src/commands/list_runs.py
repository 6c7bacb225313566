"""List runs, and remove what finished ones no longer need."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import BioDeepHashingError, RunError, nearest
from ..eval.records.text_table import text_table
from ..runs import Run, known_runs
from ..runs.predictions_json import read_predictions
from ..runs.result_json import read_result

HEADER = ("dataset/experiment", "method", "loss", "bits", "rule", "seed", "status", "query mAP", "disk")


@dataclass(frozen=True)
class Listed:
    """A run, and what there is to know of it without opening its codes.

    Args:
        run: the run.
        hparams: the values it was made with; None where they cannot be read.
        status: "training", "finished", "interrupted", or "not started".
        score: mAP of the query fold, tie rule expected; None before it was evaluated, and when it is of former codes.
        disk: bytes of all its files.
    """

    run: Run
    hparams: Mapping[str, Any] | None
    status: str
    score: float | None
    disk: int


def list_runs(database: str | None = None, experiment: str | None = None) -> list[Listed]:
    """Return the runs of all methods below the project root.

    Args:
        database: only runs on this dataset; None for all.
        experiment: only runs of this experiment; None for all.

    Raises:
        RunError: if only others have runs; it names the nearest dataset or experiment that has some.
    """
    runs = known_runs()
    for kind, flag, name in (("database", "-db", database), ("experiment", "-exp", experiment)):
        there = {getattr(run, kind) for run in runs}
        if there and name is not None and name not in there:
            guess = nearest(name, there)
            hint = f"the nearest is {flag} {guess}; " if guess else ""
            raise RunError(f"there are no runs with {flag} {name}: {hint}there are {', '.join(sorted(there))}")
        runs = [run for run in runs if name in (None, getattr(run, kind))]
    return [_listed(run) for run in runs]


def prune(runs: Sequence[Run]) -> tuple[list[Path], int]:
    """Remove the intermediate checkpoints, ``epoch=*.ckpt``, of those among some runs that are finished.

    Args:
        runs: the runs.

    Returns:
        The files that were removed, and how many bytes they had.
    """
    files = [file for run in runs if run.status == "finished" for file in sorted(run.directory.glob("epoch=*.ckpt"))]
    freed = sum(file.stat().st_size for file in files)
    for file in files:
        file.unlink()
    return files, freed


def words_of_size(size: int) -> str:
    """Return a number of bytes in words.

    Example:
        >>> words_of_size(999), words_of_size(12_345_678)
        ('999 B', '12.3 MB')
    """
    if size < 1000:
        return f"{size} B"
    amount, units = float(size), iter(("kB", "MB", "GB", "TB"))
    unit = "B"
    while amount >= 1000 and (larger := next(units, None)):
        amount, unit = amount / 1000, larger
    return f"{amount:.1f} {unit}"


def from_arguments(arguments: Namespace) -> None:
    """Prune the runs if ``-prune`` is set, and print all of them."""
    values = vars(arguments)
    chosen = values.get("database"), values.get("experiment_name")
    freed = prune([one.run for one in list_runs(*chosen)]) if arguments.prune else None
    listed = list_runs(*chosen)
    if not listed:
        print("no runs yet: `biodeephashing train -h` lists what a training takes")
        return
    print(text_table(HEADER, [_row(one) for one in listed]))
    print(f"\n{len(listed):,} run{'s' * (len(listed) > 1)}, {words_of_size(sum(one.disk for one in listed))}")
    if freed:
        print(f"removed {len(freed[0]):,} intermediate checkpoints of finished runs: {words_of_size(freed[1])} freed")


def _listed(run: Run) -> Listed:
    try:
        hparams = run.hparams()
    except BioDeepHashingError:
        hparams = None  # a renamed directory, a damaged file, or a newer version: the other columns are still listed
    return Listed(run, hparams, run.status or "not started", _score(run), _disk(run.directory))


def _disk(folder: Path) -> int:
    total = 0
    for file in folder.rglob("*"):
        with suppress(FileNotFoundError):  # a running training replaces its files
            total += file.lstat().st_size if file.is_file() else 0
    return total


def _score(run: Run) -> float | None:
    try:
        result, predictions = read_result(run.evaluation_file("query")), read_predictions(run.predictions_file)
        current = all(result["codes_sha256"][fold] == predictions.fact(fold, "codes_sha256") for fold in ("query", "database"))
        return float(result["mAP_expected"]) if current else None
    except (RunError, KeyError, TypeError, ValueError):
        return None


def _row(one: Listed) -> list[str]:
    known = [str(one.hparams.get(name, "-")) if one.hparams else "?" for name in ("loss", "number_of_bits", "mode", "seed")]
    score = "-" if one.score is None else f"{one.score:.4f}"
    return [f"{one.run.database}/{one.run.experiment}", one.run.method, *known, one.status, score, words_of_size(one.disk)]
