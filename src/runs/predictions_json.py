"""``predictions.json``: what the codes of a run were made with, and the facts about each predicted fold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ..errors import RunError
from .files import read_json, write_json

PREDICT = "predict the run with its settings"

T = TypeVar("T")


@dataclass(frozen=True)
class Fingerprint:
    """What the codes of a run depend on beside the images; equal fingerprints mean equal codes.

    Args:
        sha256: checksum of the checkpoint, or of whatever else decides the codes.
        checkpoint: name of the checkpoint; None for a method without.
    """

    sha256: str
    checkpoint: str | None = None


@dataclass(frozen=True)
class Predictions:
    """The record of the files that prediction wrote.

    Args:
        fingerprint: what they were made with.
        bits: length of a code.
        folds: the facts about each view of each predicted fold: its rows, its exact zeros, and the checksums of metadata, features
            and codes. The view is "" where there is only one.
    """

    fingerprint: Fingerprint
    bits: int
    folds: Mapping[str, Mapping[str, Mapping[str, Any]]]

    def fact(self, fold: str, name: str) -> Any:
        """Return a fact about a fold, as :func:`by_view` does."""
        return by_view({view: facts.get(name) for view, facts in self.folds[fold].items()})


def by_view(values: Mapping[str, T]) -> T | dict[str, T]:
    """Return the value of the only view as it is, and those of several views under their names.

    Example:
        >>> by_view({"": 3}), by_view({"image": 3, "text": 4})
        (3, {'image': 3, 'text': 4})
    """
    return values[""] if "" in values else dict(values)


def write_predictions(file: Path, predictions: Predictions) -> None:
    """Write the record of a run's codes."""
    made_with = predictions.fingerprint
    named = {"checkpoint": made_with.checkpoint, "checkpoint_sha256": made_with.sha256}
    origin = {"fingerprint": made_with.sha256} if made_with.checkpoint is None else named
    folds = {fold: views.get("", {"views": views}) for fold, views in predictions.folds.items()}
    write_json(file, {**origin, "bits": predictions.bits, "folds": folds})


def read_predictions(file: Path) -> Predictions:
    """Read the record of a run's codes.

    Raises:
        RunError: if the run was not predicted, or the file is damaged.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "predictions.json"
        >>> write_predictions(file, Predictions(Fingerprint("ab12", "best-epoch=3.ckpt"), 32, {}))
        >>> read_predictions(file).bits
        32
    """
    if not file.exists():
        raise RunError(f"{file.parent} holds no {file.name}, so it has no codes yet: {PREDICT}")
    try:
        content = read_json(file)
        checkpoint = None if "fingerprint" in content else content["checkpoint"]
        made_with = Fingerprint(content["fingerprint" if checkpoint is None else "checkpoint_sha256"], checkpoint)
        folds = {fold: dict(facts["views"]) if "views" in facts else {"": dict(facts)} for fold, facts in content["folds"].items()}
        return Predictions(made_with, int(content["bits"]), folds)
    except RunError as error:
        raise RunError(f"{error}: {PREDICT}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        lacking = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise RunError(f"{file} is damaged ({lacking}): {PREDICT}") from error
