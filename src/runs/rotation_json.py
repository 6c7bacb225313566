"""``rotation.json``: what a rotation of another run was learnt from, and the val mAP before and after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ..errors import RunError
from .files import read_json, write_json


@dataclass(frozen=True)
class Source:
    """What a rotation was learnt from; an equal source gives an equal rotation.

    Args:
        checkpoint_sha256: checksum of the checkpoint of the rotated run.
        features_sha256: checksums of the features of train and val.
    """

    checkpoint_sha256: str
    features_sha256: Mapping[str, str]


def write_rotation(file: Path, source: Source, objectives: Sequence[float], val_mAP: Mapping[str, float]) -> None:  # noqa: N803
    """Write what a rotation was learnt from, what it minimized after each epoch or round, and the val mAP before and after it."""
    write_json(file, {**asdict(source), "objectives": list(objectives), "val_mAP": dict(val_mAP)})


def read_source(file: Path) -> Source | None:
    """Read what a rotation was learnt from; None where the file is missing or damaged.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "rotation.json"
        >>> write_rotation(file, Source("ab", {"train": "cd", "val": "ef"}), [0.5], {"before": 0.7, "after": 0.8})
        >>> read_source(file).features_sha256
        {'train': 'cd', 'val': 'ef'}
    """
    try:
        content = read_json(file)
        return Source(content["checkpoint_sha256"], content["features_sha256"])
    except (RunError, KeyError):
        return None
