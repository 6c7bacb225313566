"""Train, predict, evaluate and compare a grid of runs: ``python src/models/PenaltyStrategies/study.py -config FILE.yaml``."""

from __future__ import annotations

import itertools
import sys
from argparse import SUPPRESS, Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from biodeephashing.arguments import StrictParser, add_skip_unreadable, given_images, read_config
from biodeephashing.data.own_images import prepare_given
from biodeephashing.errors import BioDeepHashingError, UsageError, guard
from biodeephashing.hparams import Settings, from_mapping, table
from biodeephashing.runs import Run

ONE_VALUE = ("experiment_name", "database", "no_skip", "tracking", "device", "devices", "soft_skip")


def study(cells: Sequence[Settings], *, jobs: int = 0, title: str = "study") -> list[str]:
    """Train, predict and evaluate every cell of a grid, several at a time, and compare the learning rules.

    A cell that fails does not stop the others; a cell that is done is skipped; an interrupted grid goes on where it was.

    Args:
        cells: the settings of each run; all of one experiment on one data set.
        jobs: processes at a time; 0 for one per core, or one per graphics card.
        title: name of the grid's MLflow run.

    Returns:
        One message per failed cell.

    Raises:
        UsageError: when there is no cell, or a cell appears twice.
    """
    from biodeephashing.models.PenaltyStrategies._grid import run_grid

    names = [Run.of(cell) for cell in cells]
    if not cells or len(set(names)) != len(names):
        raise UsageError(f"a grid of {len(cells)} cells with {len(set(names))} different runs: list every value once")
    return run_grid(cells, jobs=jobs, title=title)


def expand(values: Mapping[str, Any], source: str) -> list[Settings]:
    """Return the cells of a grid: one per combination of the listed values, in the order of the table of settings.

    Args:
        values: long names of settings with one value or a list of values each.
        source: where they come from, for error messages.

    Raises:
        UsageError: when a setting that all cells share has several values, or a value cannot be used.

    Example:
        >>> [cell.mode for cell in expand({"architecture": "bio-lenet", "mode": ["bp", "fa"]}, "example")]
        ['bp', 'fa']
    """
    order = {field.name: position for position, (field, _) in enumerate(table())}
    keys = sorted(values, key=lambda key: order.get(key, len(order)))
    axes = [values[key] if isinstance(values[key], (list, tuple)) else [values[key]] for key in keys]
    for key, axis in zip(keys, axes, strict=True):
        if not axis or (len(axis) > 1 and key in ONE_VALUE):
            raise UsageError(f"{source}: {key} needs exactly one value for the whole grid" if axis else f"{source}: {key} has no value")
    return [from_mapping(dict(zip(keys, combination, strict=True)), source) for combination in itertools.product(*axes)]


def _parser() -> StrictParser:
    parser = StrictParser(description="Train, predict, evaluate and compare a grid of runs. Every setting takes one or more values.")
    parser.add_argument("-config", "--config", type=Path, metavar="FILE", help="YAML file of settings, lists for several values; flags win")
    parser.add_argument("-jobs", "--jobs", type=int, default=0, metavar="N", help="processes at a time; 0: one per core, or one per GPU")
    add_skip_unreadable(parser)
    for field, setting in table():
        if "train" not in setting.phases:
            continue
        flags = (f"-{setting.flag}", f"--{field.name}")
        if field.type == "bool":
            parser.add_argument(*flags, action="store_true", dest=field.name, default=SUPPRESS, help=setting.help)
        else:
            parser.add_argument(*flags, nargs="+", dest=field.name, default=SUPPRESS, metavar="VALUE", help=setting.help)
    return parser


def _cells_of(arguments: Namespace) -> list[Settings]:
    given = {key: value for key, value in vars(arguments).items() if key not in ("config", "jobs", "skip_unreadable")}
    return expand(read_config(arguments.config) | given, str(arguments.config or "command line"))


def main(argv: Sequence[str] | None = None) -> int:
    """Parse a command line, run the grid, and print the comparison; the exit status is 1 when a cell failed."""
    arguments = _parser().parse_args(argv)
    if arguments.jobs < 0:
        raise UsageError(f"-jobs {arguments.jobs}: it must be at least 0")
    cells = _cells_of(arguments)
    for line in prepare_given(given_images(arguments, arguments.config), arguments.skip_unreadable):
        print(line)
    failures = study(cells, jobs=arguments.jobs, title=arguments.config.stem if arguments.config else "study")
    if len(failures) < len(cells) and cells[0].tracking == "on":
        from biodeephashing.eval.compare import compare
        from biodeephashing.tracking import how_to_open

        compare(cells[0].database, cells[0].experiment_name)
        print(f"all runs, curves and settings: {how_to_open()}")
    if failures:
        raise BioDeepHashingError(f"{len(failures)} of {len(cells)} cells failed:\n" + "\n".join(failures))
    return 0


if __name__ == "__main__":
    sys.exit(guard(main))
