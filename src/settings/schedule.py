"""Schedules of the learning rates as text: ``step:30:0.1``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..errors import UsageError


@dataclass(frozen=True)
class Schedule:
    """How the learning rates of all groups change while training.

    Args:
        kind: "constant", "cosine" (to 0 over all epochs, epoch by epoch) or "step".
        every: epochs or optimizer steps between two changes; for "step".
        unit: what ``every`` counts.
        factor: what the rates are multiplied by at each change.

    Example:
        >>> str(Schedule("step", every=30, factor=0.1))
        'step:30:0.1'
    """

    kind: Literal["constant", "cosine", "step"]
    every: int = 0
    unit: Literal["epoch", "step"] = "epoch"
    factor: float = 1.0

    def __str__(self) -> str:
        """Return the one text that stands for this schedule."""
        return f"{'step' if self.unit == 'epoch' else 'steps'}:{self.every}:{self.factor}" if self.kind == "step" else self.kind


def parse_schedule(text: str) -> Schedule:
    """Return the schedule that a text means.

    Args:
        text: ``constant``, ``cosine``, ``step:N:FACTOR`` (every N epochs) or ``steps:N:FACTOR`` (every N optimizer steps).

    Raises:
        UsageError: for anything else.

    Example:
        >>> parse_schedule("step:30:0.1")
        Schedule(kind='step', every=30, unit='epoch', factor=0.1)
    """
    kind, *rest = text.split(":")
    if kind in ("constant", "cosine") and not rest:
        return Schedule("cosine" if kind == "cosine" else "constant")
    if kind in ("step", "steps") and len(rest) == 2:
        try:
            every, factor = int(rest[0]), float(rest[1])
        except ValueError:
            every, factor = 0, 0.0
        if every >= 1 and 0 < factor < float("inf"):
            return Schedule("step", every, "epoch" if kind == "step" else "step", factor)
    raise UsageError(
        f"-schedule {text!r} is none of constant, cosine, step:N:FACTOR (every N epochs) and steps:N:FACTOR (every N optimizer steps), "
        "N a whole number of at least 1 and FACTOR above 0"
    )
