"""The interface of an executor, wherever its processes are."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

Unit = TypeVar("Unit")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Outcome(Generic[Unit, Result]):
    """How a unit of work ended.

    Args:
        unit: the unit.
        result: what the work returned; None where it failed.
        error: why it failed, or None.
    """

    unit: Unit
    result: Result | None = None
    error: Exception | None = None


class Executor(Protocol):
    """Hands out units of work, and yields the outcome of each as it ends.

    A unit that fails does not stop the others. Closing the generator interrupts the running units as Ctrl-C would, and drops the
    waiting ones.

    Attributes:
        places: where it runs them, a line for each machine of several.
    """

    places: Sequence[str]

    def run(self, work: Callable[[Unit], Result], units: Sequence[Unit]) -> Generator[Outcome[Unit, Result], None, None]:
        """Do the work of all units.

        Args:
            work: called with each unit; it, the units and the results must be picklable.
            units: the units.
        """
