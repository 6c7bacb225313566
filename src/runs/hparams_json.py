"""``hparams.json``: the settings a run was made with, its method, and what follows from them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..settings.common import Settings, from_mapping
from .files import read_json, write_json
from .methods import DEFAULT_METHOD

HPARAMS_FILE = "hparams.json"


def hparams_of(settings: Settings, method: str = DEFAULT_METHOD) -> dict[str, Any]:
    """Return the settings of training under their long names, and the method as ``model``.

    Example:
        >>> hparams_of(Settings())["model"]
        'PenaltyStrategies'
    """
    return settings.as_dict("train") | {"model": method}


def write_hparams(file: Path, values: Mapping[str, Any]) -> None:
    """Write what :func:`hparams_of` returns, with the ``preprocessing`` and the ``datafolds`` where they are known."""
    write_json(file, values)


def read_hparams(file: Path) -> dict[str, Any]:
    """Read all values.

    Raises:
        RunError: when the file is missing or damaged.
    """
    return read_json(file)


def method_of(file: Path) -> str | None:
    """Return the method that the file names; None without a file, or where it names none.

    Raises:
        RunError: when the file is damaged.
    """
    return read_hparams(file).get("model") if file.exists() else None


def read_settings(file: Path) -> Settings:
    """Read the settings back.

    Raises:
        RunError: when the file is missing or damaged.
        UsageError: for an unknown setting, or a value that cannot be.
    """
    return from_mapping(read_hparams(file), str(file))
