"""``class_codes.json``: how well images are classified by the codes of classes, and what that was measured on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import RunError
from .files import read_json, write_json

CODEBOOK, UNSEEN, TRAIN, UNKNOWN = "codebook", "unseen", "train", "unknown"
PARTS = (CODEBOOK, UNSEEN, TRAIN, UNKNOWN)


def write_class_codes(file: Path, content: Mapping[str, Any]) -> None:
    """Write what was measured: an object of numbers for each of ``PARTS``, and what they are made from."""
    write_json(file, content, indent=4)


def read_class_codes(file: Path) -> dict[str, Any]:
    """Read what was measured; nothing where the file is missing or damaged, so that it is measured again.

    Example:
        >>> read_class_codes(Path("nowhere.json"))
        {}
    """
    try:
        return read_json(file)
    except RunError:
        return {}


def tracked_class_codes(content: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers that go to MLflow, by their names there.

    Example:
        >>> tracked_class_codes({"codebook_sha256": "ab", "unseen": {"folds": ["query"], "mhd_expected": 0.5}})
        {'unseen_mhd_expected': 0.5}
    """
    return {
        f"{part}_{name}": float(value) for part in PARTS for name, value in content.get(part, {}).items() if isinstance(value, (int, float))
    }
