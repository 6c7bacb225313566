"""Train a run, and say what comes next."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from ..data.own.images import prepare_source
from ..models import method_of
from ..runs import Run
from ..settings import CommonSettings
from ..settings.strict_parser import command_line
from ..training.meeting import check_launch, leader_decides, leader_first, leads
from ..training.reporting import Reporting
from ..training.same_split import check_split


def train(settings: CommonSettings, *, quiet: bool = False, parent: str | None = None, until: int | None = None) -> Run:
    """Train a run, go on with an interrupted one, or skip a finished one.

    Args:
        settings: the run's settings.
        quiet: print nothing.
        parent: MLflow id of the grid the run belongs to, if any.
        until: epochs after which the training pauses; None for none.

    Returns:
        The run, finished; or, with ``soft_skip``, as another process left it.

    Raises:
        BioDeepHashingError: if settings, data or weights cannot be used, or training diverges.
        PausedError: if it pauses; the run is marked as interrupted.
    """
    run = Run.of(settings)
    reason = leader_decides(lambda: reason_to_skip(run, settings))
    if reason:
        if leads() and run.status == "finished":
            check_split(run)
        if not quiet:
            print(f"skipped: {reason}")
        return run
    method_of(run).train(run, settings, Reporting(quiet=quiet, parent=parent, until=until))
    return run


def reason_to_skip(run: Run, settings: CommonSettings) -> str | None:
    """Return why there is nothing to train, in words, or None."""
    if settings.no_skip:
        return None
    if run.status == "finished" and not settings.asks_beside_training:
        return f"{run} is finished (-no_skip trains it again)"
    if settings.soft_skip and run.status is not None:
        return f"{run} was started, its status is {run.status!r} (leave out -soft_skip to go on with it)"
    return None


def next_commands(run: Run) -> str:
    """Return the two commands that follow a training."""
    predict, evaluate = command_line(f"src/models/{run.method}/predict.py"), command_line("src/eval/eval_map.py")
    return f"next: {predict} -p {run.quoted}\nthen: {evaluate} -p {run.quoted}"


def train_and_advise(settings: CommonSettings, images: Path | None = None, skip_unreadable: Fraction = Fraction()) -> None:
    """Prepare own images if there are any, train, and print the next commands.

    Args:
        settings: the run's settings.
        images: the path of own images (``-db FOLDER:PATH``), or None.
        skip_unreadable: the largest share of them that may be left out because they cannot be decoded.
    """
    with leader_first():
        check_launch(settings)
    lines = leader_decides(lambda: prepare_source(images, skip_unreadable))
    if leads():
        print("".join(f"{line}\n" for line in lines), end="")
    run = train(settings, quiet=not leads())
    if leads():
        print(next_commands(run))
