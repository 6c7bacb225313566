"""``<fold>-prediction_mAP.json``: what the evaluation of a fold found, and what it was made from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .files import read_json, write_json


def write_result(file: Path, result: Mapping[str, Any]) -> None:
    """Write the result of a fold."""
    write_json(file, result, indent=4)


def read_result(file: Path) -> dict[str, Any]:
    """Read the result of a fold.

    Raises:
        RunError: if the file is missing or damaged.
    """
    return read_json(file)
