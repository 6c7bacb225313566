"""``split.json``: the facts about a split, beside a prepared dataset and in every run that was trained on it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .files import read_json, write_json

SPLIT_FILE = "split.json"


def write_split_facts(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write the facts into the directory of a prepared dataset or of a run."""
    write_json(folder / SPLIT_FILE, facts)


def read_split_facts(folder: Path) -> dict[str, Any] | None:
    """Read the facts from the directory of a run, whichever version wrote them; None if they are missing.

    Raises:
        RunError: if the file is damaged.
    """
    file = folder / SPLIT_FILE
    return read_json(file) if file.exists() else None
