"""Everything that must be stated beside an average precision."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral

from ...errors import UsageError, unknown_name

TIES = ("expected", "index", "feature", "worst", "best")
DENOMINATORS = ("retrieved", "min", "all")
EMPTY = ("zero", "skip")


@dataclass(frozen=True)
class APSpec:
    """Everything that must be stated beside an average precision.

    Args:
        ties: "expected" (mean over all orders of tied items), "index" (database order), "feature" (distance of the unit
            features), "worst" or "best" (relevant items last or first).
        k: only the first k items count; None, or more than there are, for all.
        radius: only items within this Hamming distance count; None for all. Not together with k.
        denominator: "retrieved" (relevant items inside the cut), "min" (of all relevant items and the cut) or "all".
        empty: what a query without a relevant item inside the cut does to the mean: "zero" counts it as 0, "skip" leaves it out
            (where chance decides, it counts with the probability that it finds one).

    Raises:
        UsageError: for a name that does not exist, a cut below its range or not whole, or both cuts.

    Example:
        >>> APSpec(ties="index", k=1000).denominator
        'retrieved'
    """

    ties: str = "expected"
    k: int | None = None
    radius: int | None = None
    denominator: str = "retrieved"
    empty: str = "zero"

    def __post_init__(self) -> None:
        check_choice("tie rule", self.ties, TIES)
        check_choice("denominator", self.denominator, DENOMINATORS)
        check_choice("rule for queries that find nothing", self.empty, EMPTY)
        if self.k is not None and self.radius is not None:
            raise UsageError(f"k={self.k} and radius={self.radius} are two cuts: give one")
        for name, value, least in (("k", self.k, 1), ("radius", self.radius, 0)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, Integral) or value < least):
                raise UsageError(f"{name}={value} is not possible: it must be a whole number of at least {least}")
            if value is not None:
                object.__setattr__(self, name, int(value))  # np.uint8(255) + 1 would be 0


def check_choice(kind: str, value: str, choices: tuple[str, ...]) -> None:
    """Refuse a name that does not exist, with the nearest one."""
    if value not in choices:
        raise unknown_name(kind, value, choices)
