"""Derive runs from finished ones by rotating their codes."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from ..errors import BioDeepHashingError, RunError, describe
from ..models import load_method
from ..models.predictions import write_codes
from ..models.rotation.method import RotationMethod
from ..models.rotation.parent import Parent
from ..models.rotation.settings import ParentSettings, RotationSettings
from ..runs import METHODS, Run, runs_of, settings_of
from ..runs.rotation_json import read_source
from ..settings.flags import given_settings
from ..settings.strict_parser import command_line
from ..training.reporting import Reporting


def rotate(settings: RotationSettings, *, quiet: bool = False) -> Run:
    """Learn the rotation of a run, and write the codes of all folds that the run predicted; what is up to date is skipped.

    Args:
        settings: those of the rotation, see :meth:`~biodeephashing.models.rotation.settings.RotationSettings.rotating`.
        quiet: print nothing.

    Returns:
        The run of the rotation: its codes can be evaluated, and its network can be used as any other.

    Raises:
        BioDeepHashingError: if the parent cannot be rotated; nothing is written then.
    """
    run, parent, method = Run.of(settings), Parent.of(settings.parent), load_method(settings.method)
    assert isinstance(method, RotationMethod)
    current = run.status == "finished" and read_source(run.rotation_file) == parent.source and not settings.no_skip
    if not current:
        method.train(run, settings, Reporting(quiet=quiet))
    elif not quiet:
        print(f"skipped: {run} was learnt from the same features (-no_skip learns it again)")
    write_codes(run, replace(settings, datafolds=parent.folds), quiet=quiet, encode=partial(method.rotated, run, parent))
    return run


def rotation_of(run: Run, method: str, own: Namespace) -> RotationSettings:
    """Return the settings of the rotation of a run.

    Args:
        run: the run.
        method: the rotation.
        own: the arguments that hold its own settings.

    Raises:
        RunError: if the run is a rotation itself, or of a method whose codes cannot be rotated.
    """
    parent, table = run.settings(), settings_of(method)
    if isinstance(parent, RotationSettings):
        raise RunError(f"{run} is a rotation already: rotate {Run.of(parent.parent)} another way, or with other settings")
    if not isinstance(parent, ParentSettings):
        raise RunError(f"{run} is a run of {run.method}: only the codes of {ParentSettings.method} can be rotated")
    assert issubclass(table, RotationSettings)
    return table.rotating(parent, **given_settings(table, own))


def from_arguments(arguments: Namespace, method: str) -> None:
    """Rotate every run that ``rotate.py`` names; one that cannot be rotated does not stop the others.

    Raises:
        RunError: if a run could not be rotated.
    """
    runs = list(dict.fromkeys(run for handle in arguments.path for run in _parents(runs_of(handle))))
    made, failed = [], 0
    for number, run in enumerate(runs, start=1):
        try:
            print(f"[{number}/{len(runs)}] {run}" if len(runs) > 1 else run)
            made.append(rotate(rotation_of(run, method, arguments)))
        except BioDeepHashingError as error:
            if len(runs) == 1:
                raise
            print(f"error: {describe(error)}", file=sys.stderr)
            failed += 1
    if made:
        experiments = dict.fromkeys(f"{method}/{run.database}/{run.experiment}" for run in made)
        handles = [made[0].quoted] if len(made) == 1 else experiments
        print(f"next: {command_line('src/eval/eval_map.py')} -p {' '.join(handles)}")
    if failed:
        raise RunError(f"{failed} of {len(runs)} runs could not be rotated")


def _parents(runs: Sequence[Run]) -> Sequence[Run]:
    """Return the runs of a handle without the rotations among them: those of an earlier call must not stop a later one."""
    others = [run for run in runs if run.method not in METHODS or not issubclass(settings_of(run.method), RotationSettings)]
    return others or runs
