"""``mlflow.json``: which MLflow run belongs to a run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from ..errors import RunError, TrackingError
from .files import read_json, write_json


@dataclass(frozen=True)
class TrackedAs:
    """The MLflow run of a run.

    Args:
        tracking_uri: the store, without a password.
        run_id: the run in that store.
    """

    tracking_uri: str
    run_id: str


def write_tracked_as(file: Path, tracked: TrackedAs) -> None:
    """Write which MLflow run belongs to a run."""
    write_json(file, asdict(tracked))


def read_tracked_as(file: Path) -> TrackedAs | None:
    """Read which MLflow run belongs to a run; None where none does.

    Raises:
        TrackingError: if the file is damaged.
    """
    if not file.exists():
        return None
    try:
        content = read_json(file)
    except RunError as error:
        raise TrackingError(f"{error}: remove it to start a new MLflow run") from error
    return TrackedAs(str(content.get("tracking_uri")), str(content.get("run_id")))
