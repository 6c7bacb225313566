"""How a training shows itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Manner:
    """How a training shows itself.

    Args:
        quiet: print nothing.
        parent: MLflow id of the grid the run belongs to, if any.
    """

    quiet: bool = False
    parent: str | None = None
