"""``predictions.json``: which checkpoint the codes of a run were made with, and the facts about each predicted fold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import RunError
from .files import read_json, write_json

PREDICT = "run predict.py with the settings of this run"


@dataclass(frozen=True)
class Predictions:
    """What prediction says about the files it wrote.

    Args:
        checkpoint: name of the checkpoint they were made with.
        checkpoint_sha256: its checksum.
        bits: length of a code.
        folds: the facts about each predicted fold: its rows, its exact zeros, and the checksums of metadata, features and codes.
    """

    checkpoint: str
    checkpoint_sha256: str
    bits: int
    folds: Mapping[str, Mapping[str, Any]]


def write_predictions(file: Path, predictions: Predictions) -> None:
    """Write the record of a run's codes."""
    write_json(file, asdict(predictions))


def read_predictions(file: Path) -> Predictions:
    """Read the record of a run's codes.

    Raises:
        RunError: when the run was not predicted, or the file is damaged.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "predictions.json"
        >>> write_predictions(file, Predictions("best-epoch=3.ckpt", "ab12", 32, {}))
        >>> read_predictions(file).bits
        32
    """
    if not file.exists():
        raise RunError(f"{file.parent} holds no {file.name}, so it has no codes yet: {PREDICT}")
    try:
        content = read_json(file)
        checkpoint, bits = content["checkpoint"], int(content["bits"])
        folds = {fold: dict(facts) for fold, facts in content["folds"].items()}
        return Predictions(checkpoint, content["checkpoint_sha256"], bits, folds)
    except RunError as error:
        raise RunError(f"{error}: {PREDICT}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        lacking = f"it says nothing of {error}" if isinstance(error, KeyError) else str(error)
        raise RunError(f"{file} is damaged ({lacking}): {PREDICT}") from error
