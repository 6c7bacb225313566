"""The flags of ``eval_codes.py`` that are for codes in files or for shards only, and the file that it writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..settings.units import PLACEMENT_FLAGS

OF_FILES = ("query_labels", "database_labels", "bits", "kind", "transpose", "heading", "index", "leave_one_out")
OF_SHARDS = ("partial", "merge", "health", *PLACEMENT_FLAGS)


def check_unused(values: Mapping[str, Any], names: Iterable[str], reason: str) -> None:
    """Refuse flags that would have no effect.

    Args:
        values: what a command line says, by long names.
        names: those of the flags.
        reason: why one has no effect, as what follows its name.

    Raises:
        UsageError: for the first one that is there.

    Example:
        >>> check_unused({"partial": False, "bits": 8}, OF_SHARDS, "is for shards")
    """
    for name in names:
        if values.get(name, False) is not False:
            raise UsageError(f"-{name} {reason}")


def check_output(output: Path, no_skip: bool) -> None:
    """Refuse a file that cannot be written, before anything is computed.

    Args:
        output: the file.
        no_skip: whether it may be replaced.

    Raises:
        UsageError: if it is no JSON file, cannot be written, or exists and may not be replaced.
    """
    if output.suffix != ".json":
        raise UsageError(f"-o {output}: the result is a JSON file, so its name must end in .json")
    if output.is_dir():
        raise UsageError(f"-o {output}: there is a directory of that name; choose another")
    if not (above := next(folder for folder in output.absolute().parents if folder.exists())).is_dir():
        raise UsageError(f"-o {output}: {above} is a file, not a directory")
    if output.exists() and not no_skip:
        raise UsageError(f"{output} exists already and was not changed: choose another name, or replace it with -no_skip")


def say(quiet: bool, message: str) -> None:
    """Print a message, unless nothing is to be printed."""
    if not quiet:
        print(message)
