"""Train a network to hash images: ``python src/models/PenaltyStrategies/train.py -exp EXP -db DB -loss DCH ...``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from biodeephashing.arguments import StrictParser, add_settings, add_skip_unreadable, collect_settings, given_images
from biodeephashing.data.own_images import prepare_given
from biodeephashing.errors import guard
from biodeephashing.hparams import Settings
from biodeephashing.interrupts import held_back
from biodeephashing.models.PenaltyStrategies._same_split import check_split
from biodeephashing.runs import Run


def train(settings: Settings, *, quiet: bool = False, parent: str | None = None) -> Run:
    """Train a run, go on with an interrupted one, or skip a finished one.

    Args:
        settings: the run's settings.
        quiet: print nothing.
        parent: MLflow id of the grid the run belongs to, if any.

    Returns:
        The run, finished; or, with ``soft_skip``, as another process left it.

    Raises:
        BioDeepHashingError: when settings, data or weights cannot be used, or training diverges.
    """
    run = Run.of(settings)
    reason = reason_to_skip(run, settings)
    if reason:
        if run.status == "finished":
            check_split(run)
        if not quiet:
            print(f"skipped: {reason}")
        return run
    with held_back():
        from biodeephashing.models.PenaltyStrategies._fit import Manner, fit

    fit(run, settings, Manner(quiet=quiet, parent=parent))
    return run


def reason_to_skip(run: Run, settings: Settings) -> str | None:
    """Return why there is nothing to train, in words, or None."""
    if settings.no_skip:
        return None
    if run.status == "finished":
        return f"{run} is finished (-no_skip trains it again)"
    if settings.soft_skip and run.status is not None:
        return f"{run} was started, its status is {run.status!r} (leave out -soft_skip to go on with it)"
    return None


def next_commands(run: Run) -> str:
    """Return the two commands that follow a training."""
    return f"next: python src/models/PenaltyStrategies/predict.py -p {run.quoted}\nthen: python src/eval/eval_map.py -p {run.quoted}"


def main(argv: Sequence[str] | None = None) -> None:
    """Parse a command line, train, and say what comes next."""
    parser = StrictParser(description="Train a network to hash images.")
    parser.add_argument("-config", "--config", type=Path, metavar="FILE", help="YAML file of settings; flags win over it")
    add_skip_unreadable(parser)
    add_settings(parser, "train")
    arguments = parser.parse_args(argv)
    settings = collect_settings(arguments, arguments.config)
    for line in prepare_given(given_images(arguments, arguments.config), arguments.skip_unreadable):
        print(line)
    run = train(settings)
    print(next_commands(run))


if __name__ == "__main__":
    raise SystemExit(guard(main))
