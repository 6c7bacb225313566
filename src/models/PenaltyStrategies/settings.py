"""The settings of hashing by a loss and its penalties."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from ...errors import UsageError
from ...registry import declared_on_disk, names_on_disk
from ...settings import TrainingSettings, setting
from ...settings.constants import tidy_constants
from ...settings.setting import AT_LEAST_0

Table = TypeVar("Table")


def _with_penalties(table: type[Table]) -> type[Table]:
    """Give a table a field ``<NAME>_penalty`` for every registered penalty, as the penalty itself declares it."""
    for name, facts in declared_on_disk("losses", "PENALTIES").items():
        field = f"{name}_penalty"
        details = {"help": f"weight of the penalty {name}"} | facts
        setattr(table, field, setting(0.0, field, check=AT_LEAST_0, **details))
        table.__annotations__[field] = "float"
    return table


def _of_bank(kind: str) -> tuple[str, ...]:
    """Return the losses with a memory bank that is "optional", or there "always"."""
    return tuple(name for name, facts in declared_on_disk("losses", "LOSSES").items() if facts.get("bank") == kind)


@dataclass(frozen=True)
@_with_penalties
class Settings(TrainingSettings):
    """All settings of one run; the order of :meth:`table` is the order of the run's name.

    Raises:
        UsageError: if a value is out of range or two settings contradict each other.

    Example:
        >>> Settings(architecture="bio-vgg16", mode="usf").name.split("-arch=")[1].split("-seed")[0]
        'bio-vgg16'
    """

    method = "PenaltyStrategies"

    loss: str = setting("DSH", "loss", "hashing loss", choices=names_on_disk("losses", "LOSSES"), named="always", before="number_of_bits")
    penalty: float = setting(0.01, "penalty", "weight of the loss's own penalty", check=AT_LEAST_0, named="always", before="soft_skip")
    no_cube: bool = setting(False, "no_cube", "no tanh between the hash layer and the loss", before="soft_skip")
    constants: str = setting(
        "", "constants", "constants of the loss, name=value with commas between (gamma=20,...); see docs/losses.md", before="schedule"
    )

    bank: bool = setting(
        False, "bank", f"compare each batch with the latest codes of all training images ({', '.join(_of_bank('optional'))})",
        recorded="changed",
    )  # fmt: skip

    @property
    def penalties(self) -> dict[str, float]:
        """The weight of each registered penalty, by its name."""
        return {name: getattr(self, f"{name}_penalty") for name in declared_on_disk("losses", "PENALTIES")}

    @property
    def classifies(self) -> bool:
        """Whether the loss learns a head or centres."""
        return bool(declared_on_disk("losses", "LOSSES")[self.loss].get("classifies"))

    def check(self) -> None:
        """Write alike what means the same, and refuse a memory bank where nothing is compared with it."""
        super().check()
        self.put("constants", tidy_constants(self.constants))
        if self.bank and self.loss in _of_bank("always"):
            self.put("bank", False)
        elif self.bank and self.loss not in _of_bank("optional"):
            raise UsageError(
                f"-loss {self.loss} compares no codes with a memory bank: -bank is for {', '.join(_of_bank('optional'))}, "
                f"and {' and '.join(_of_bank('always'))} keep one without it"
            )
