"""The alignment of a run's layers with backpropagation, read from the table that training left."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...errors import RunError

LayerCurves = Mapping[str, Mapping[str, Sequence[tuple[int, float]]]]


def read_alignment(file: Path) -> LayerCurves:
    """Read the ``alignment.csv`` of a run.

    Args:
        file: the table; it need not exist.

    Returns:
        A curve of (epochs trained, value) for each quantity and, from the first to the last, each layer; empty without a file. The
        curve of a quantity that a layer does not have is empty.

    Raises:
        RunError: when the file is damaged.

    Example:
        >>> read_alignment(Path("nowhere.csv"))
        {}
    """
    if not file.exists():
        return {}
    found: dict[str, dict[str, list[tuple[int, float]]]] = {}
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                epoch, layer, _ = int(row.pop("epoch")), row.pop("layer"), row.pop("rule")
                for quantity, value in row.items():
                    curve = found.setdefault(quantity, {}).setdefault(layer, [])
                    if value != "" and math.isfinite(number := float(value)):
                        curve.append((epoch, number))
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{file} is damaged ({error}): remove it, or train the run again with -no_skip") from error
    return found
