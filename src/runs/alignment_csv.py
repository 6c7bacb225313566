"""``alignment.csv``: how far each layer of a run was from backpropagation while it trained."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import RunError
from .files import write_csv

LayerCurves = Mapping[str, Mapping[str, Sequence[tuple[int, float]]]]
_KEYS = ("epoch", "layer", "rule")


@dataclass(frozen=True)
class AlignmentRow:
    """What was measured of a layer before an epoch.

    Args:
        epoch: epochs trained.
        layer: name of the layer.
        rule: its learning rule.
        values: each quantity; NaN for one that the layer does not have.
    """

    epoch: int
    layer: str
    rule: str
    values: Mapping[str, float]


def write_alignment(file: Path, quantities: Sequence[str], rows: Iterable[AlignmentRow]) -> None:
    """Write all measurements of a run; what does not exist is an empty cell."""

    def cells(row: AlignmentRow) -> list[float | None]:
        return [None if math.isnan(value) else value for value in (row.values[name] for name in quantities)]

    write_csv(file, [*_KEYS, *quantities], ([row.epoch, row.layer, row.rule, *cells(row)] for row in rows))


def read_alignment(file: Path, quantities: Sequence[str] = ()) -> list[AlignmentRow]:
    """Read what :func:`write_alignment` wrote.

    Args:
        file: the table; it need not exist.
        quantities: those that it must have.

    Raises:
        RunError: if the file is damaged.

    Example:
        >>> read_alignment(Path("nowhere.csv"))
        []
    """
    if not file.exists():
        return []
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            rows = [_row(cells) for cells in csv.DictReader(stream)]
        if lacking := [name for name in quantities if any(name not in row.values for row in rows)]:
            raise KeyError(lacking[0])
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{file} is damaged ({error}): remove it, or train the run again with -no_skip") from error
    return rows


def alignment_curves(rows: Iterable[AlignmentRow]) -> LayerCurves:
    """Return a curve of (epochs trained, value) for each quantity and, from the first to the last, each layer.

    The curve of a quantity that a layer does not have is empty.

    Example:
        >>> alignment_curves([AlignmentRow(0, "conv", "fa", {"update_angle": 90.0, "weight_angle": math.nan})])
        {'update_angle': {'conv': [(0, 90.0)]}, 'weight_angle': {'conv': []}}
    """
    curves: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for row in rows:
        for quantity, value in row.values.items():
            curve = curves.setdefault(quantity, {}).setdefault(row.layer, [])
            if math.isfinite(value):
                curve.append((row.epoch, value))
    return curves


def _row(cells: dict[str, str]) -> AlignmentRow:
    epoch, layer, rule = (cells.pop(key) for key in _KEYS)
    return AlignmentRow(int(epoch), layer, rule, {name: math.nan if text == "" else float(text) for name, text in cells.items()})
