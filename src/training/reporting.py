"""How a training reports its progress, and to what epoch it goes."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import RunError


class PausedError(RunError):
    """A training that has reached the epoch it was to pause after; the run counts as interrupted, and resumes as any other."""


@dataclass(frozen=True)
class Reporting:
    """How a training reports its progress, and to what epoch it goes.

    Args:
        quiet: print nothing.
        parent: MLflow id of the grid the run belongs to, if any.
        until: epochs after which it pauses, of a schedule that is laid out for all of ``-ep``; None for none.
    """

    quiet: bool = False
    parent: str | None = None
    until: int | None = None
