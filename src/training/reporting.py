"""How a training reports its progress."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reporting:
    """How a training reports its progress.

    Args:
        quiet: print nothing.
        parent: MLflow id of the grid the run belongs to, if any.
    """

    quiet: bool = False
    parent: str | None = None
