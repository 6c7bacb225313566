"""Train, predict, evaluate and compare a grid of runs."""

from __future__ import annotations

import itertools
from argparse import Namespace
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from ..data.own.images import prepare_source
from ..errors import BioDeepHashingError, UsageError
from ..runs import Run
from ..settings import CommonSettings, TrainingSettings
from ..settings.flags import given_images
from ..settings.ranges import SWEEP_FLAGS, given_rungs, range_of
from ..settings.strict_parser import command_line
from ..settings.units import HERE, LOCAL, PLACEMENT_FLAGS, Part, Placement, given_placement
from ..settings.yaml_file import read_config
from ..tracking import how_to_open
from .compare import compare
from .grids.grid import PATIENCE, run_grid
from .grids.trial import run_trial
from .sweep import sweep

Table = TypeVar("Table", bound=CommonSettings)
ONE_VALUE = ("experiment_name", "database", "no_skip", "tracking", "device", "devices", "soft_skip")


def study(trials: Sequence[CommonSettings], *, placement: Placement = HERE, title: str = "study") -> list[str]:
    """Train, predict and evaluate every trial of a grid, several at a time, and compare the learning rules.

    A trial that fails does not stop the others; a finished trial is skipped; an interrupted grid resumes where it was.

    Args:
        trials: the settings of each run; all of one experiment on one dataset.
        placement: who runs them, and which of them.
        title: name of the grid's MLflow run.

    Returns:
        One message per failed trial.

    Raises:
        UsageError: if there is no trial, or a trial appears twice.
    """
    names = [Run.of(trial) for trial in trials]
    if not trials or len(set(names)) != len(names):
        raise UsageError(f"a grid of {len(trials)} trials with {len(set(names))} different runs: list every value once")
    work = run_trial if placement.on == LOCAL else partial(run_trial, patience=PATIENCE)
    return run_grid(trials, work, placement=placement, title=title)


def expand(table: type[Table], values: Mapping[str, Any], source: str) -> list[Table]:
    """Return the trials of a grid: one per combination of the listed values, in the order of the table of settings.

    Args:
        table: the settings of the method.
        values: long names of settings with one value or a list of values each.
        source: where they come from, for error messages.

    Raises:
        UsageError: if a setting that all trials share has several values, or a value cannot be used.

    Example:
        >>> from biodeephashing.settings import TrainingSettings
        >>> [trial.mode for trial in expand(TrainingSettings, {"architecture": "bio-lenet", "mode": ["bp", "fa"]}, "example")]
        ['bp', 'fa']
    """
    order = {field.name: position for position, (field, _) in enumerate(table.table())}
    keys = sorted(values, key=lambda key: order.get(key, len(order)))
    axes = [values[key] if isinstance(values[key], (list, tuple)) else [values[key]] for key in keys]
    for key, axis in zip(keys, axes, strict=True):
        if not axis or (len(axis) > 1 and key in ONE_VALUE):
            raise UsageError(f"{source}: {key} needs exactly one value for the whole grid" if axis else f"{source}: {key} has no value")
    return [table.from_mapping(dict(zip(keys, combination, strict=True)), source) for combination in itertools.product(*axes)]


def trials_of(arguments: Namespace, table: type[Table]) -> list[Table]:
    """Return the trials of a grid that ``study.py`` names by flags and YAML file; flags win.

    Args:
        arguments: what the parser returned.
        table: the settings of the method.

    Raises:
        UsageError: for settings that cannot be used.
    """
    return expand(table, _values(arguments, table), _source(arguments))


def _values(arguments: Namespace, table: type[CommonSettings]) -> dict[str, Any]:
    """Return what flags and YAML file say of each setting: a value, a list or a range."""
    others = ("config", "skip_unreadable", *PLACEMENT_FLAGS, *SWEEP_FLAGS)
    flags = {key: value for key, value in vars(arguments).items() if key not in others}
    return read_config(table, arguments.config, flags) | flags


def _source(arguments: Namespace) -> str:
    return str(arguments.config or "command line")


def from_arguments(arguments: Namespace, table: type[CommonSettings]) -> None:
    """Run the grid that ``study.py`` names, and print the comparison; arguments as in :func:`trials_of`.

    Raises:
        UsageError: for a grid that cannot be run.
        BioDeepHashingError: if a trial failed.
    """
    placement = given_placement(arguments)
    if _is_sweep(arguments, table):
        _sweep(arguments, table, placement)
        return
    trials = trials_of(arguments, table)
    for line in prepare_source(given_images(arguments, arguments.config), arguments.skip_unreadable):
        print(line)
    failures = study(trials, placement=placement, title=arguments.config.stem if arguments.config else "study")
    attempted = len(placement.part.take(trials))
    _conclude(trials[0], placement.part, succeeded=attempted - len(failures), attempted=attempted)
    if failures:
        raise BioDeepHashingError(f"{len(failures)} of {attempted} trials failed:\n" + "\n".join(failures))


def _is_sweep(arguments: Namespace, table: type[CommonSettings]) -> bool:
    """Return whether a command line asks for a sweep.

    Raises:
        UsageError: for ranges without a number of trials, or the other way round.
    """
    ranged = [name for name, value in _values(arguments, table).items() if isinstance(value, Mapping)]
    given = [name for name in SWEEP_FLAGS if name in arguments]
    if ranged and "trials" not in given:
        raise UsageError(f"{_source(arguments)}: {ranged[0]} has a range: say with -trials N how many values to try for each rule")
    if given and not ranged:
        raise UsageError(
            f"-{given[0]} is for a sweep over ranges, and there is none: write one into the file of -config, "
            "learning_rate: {low: 1e-5, high: 1e-3, log: true}"
        )
    return bool(ranged)


def _sweep(arguments: Namespace, table: type[CommonSettings], placement: Placement) -> None:
    if not issubclass(table, TrainingSettings):
        raise UsageError(f"{table.method} has no val mAP to choose by: leave out -trials, and list values in place of ranges")
    values, source = _values(arguments, table), _source(arguments)
    ranges = {name: range_of(table, name, value, source) for name, value in values.items() if isinstance(value, Mapping)}
    listed = {name: value for name, value in values.items() if name not in ranges}
    trials = expand(table, listed | {name: of.low for name, of in ranges.items()}, source)
    seeds = list(dict.fromkeys(trial.seed for trial in trials))
    arms = [trial for trial in trials if trial.seed == seeds[0]]
    for line in prepare_source(given_images(arguments, arguments.config), arguments.skip_unreadable):
        print(line)
    title, rungs = arguments.config.stem, given_rungs(arguments)
    failures = sweep(arms, ranges, trials=arguments.trials, rungs=rungs, seeds=seeds[1:], placement=placement, title=title)
    if failures:
        raise BioDeepHashingError(f"{len(failures)} trials failed:\n" + "\n".join(failures))


def _conclude(trial: CommonSettings, part: Part, *, succeeded: int, attempted: int) -> None:
    """Compare the runs of a grid, or print how to once its other parts are done too."""
    if not part.is_whole:
        print(f"part {part}: {succeeded} of {attempted} trials are done")
        if trial.tracking == "on":
            print(f"after all parts: {command_line('src/eval/compare.py')} -db {trial.database} -exp {trial.experiment_name}")
    elif succeeded and trial.tracking == "on":
        compare(trial.database, trial.experiment_name)
        print(f"all runs, curves and settings: {how_to_open()}")
