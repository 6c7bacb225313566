"""``hparams.json``: the settings a run was made with, its method, and what follows from them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from .. import __version__
from ..errors import UsageError
from ..settings import CommonSettings
from ..settings.common import DERIVED
from .files import read_json, write_json

HPARAMS_FILE = "hparams.json"
Table = TypeVar("Table", bound=CommonSettings)


def hparams_of(settings: CommonSettings) -> dict[str, Any]:
    """Return the settings of training under their long names, and the method as ``model``.

    Example:
        >>> from biodeephashing.models.PenaltyStrategies import Settings
        >>> hparams_of(Settings())["model"]
        'PenaltyStrategies'
    """
    return settings.as_dict("train") | {"model": settings.method}


def write_hparams(file: Path, values: Mapping[str, Any]) -> None:
    """Write what :func:`hparams_of` returns, with the ``preprocessing`` and the ``datafolds`` where they are known."""
    write_json(file, values)


def read_hparams(file: Path) -> dict[str, Any]:
    """Read all values.

    Raises:
        RunError: if the file is missing or damaged.
    """
    return read_json(file)


def method_of(file: Path) -> str | None:
    """Return the method that the file names; None without a file, or where it names none.

    Raises:
        RunError: if the file is damaged.
    """
    return read_hparams(file).get("model") if file.exists() else None


def read_settings(file: Path, table: type[Table]) -> Table:
    """Read the settings back.

    Args:
        file: the file.
        table: the settings of the run's method.

    Raises:
        RunError: if the file is missing or damaged.
        UsageError: for an unknown setting, which only a newer version can have written, or an invalid value.
    """
    values, known = read_hparams(file), table.long_names()
    newer = [key for key in values if key not in known and key not in DERIVED]
    if newer:
        raise UsageError(
            f"{file}: unknown setting {newer[0]!r}: a newer version than this one, {__version__}, wrote it; install that version"
        )
    return table.from_mapping(values, str(file))
