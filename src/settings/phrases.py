"""Settings that are small phrases: constants of a loss (``gamma=20``), schedules of the rate (``step:30:0.1``), ``FOLDER:pets``."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import UsageError


def parse_constants(text: str) -> dict[str, bool | int | float | str]:
    """Return the constants that a text sets, each as the simplest of truth value, whole number, number and text that it can be.

    Args:
        text: entries ``name=value`` with commas between them; nothing for none.

    Raises:
        UsageError: for an entry of another form, and for a name that comes twice.

    Example:
        >>> parse_constants("gamma=20, proxy_tanh=true,alpha=1e-1")
        {'gamma': 20, 'proxy_tanh': True, 'alpha': 0.1}
    """
    found: dict[str, bool | int | float | str] = {}
    for entry in text.split(",") if text.strip() else ():
        name, _, value = (part.strip() for part in entry.partition("="))
        if not (name.isidentifier() and value):
            raise UsageError(f"constants {text!r}: {entry.strip()!r} is not of the form name=value")
        if name in found:
            raise UsageError(f"constants {text!r}: {name} comes twice")
        found[name] = _simplest(value)
    return found


def tidy_constants(text: str) -> str:
    """Return constants in the order of their names, without blanks: what means the same is written the same.

    Raises:
        UsageError: for malformed constants.

    Example:
        >>> tidy_constants("period = 100, alpha=0.10")
        'alpha=0.1,period=100'
    """
    return ",".join(
        f"{name}={str(value).lower() if value in (True, False) else value}" for name, value in sorted(parse_constants(text).items())
    )


def _simplest(value: str) -> bool | int | float | str:
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value


@dataclass(frozen=True)
class Schedule:
    """How the learning rates of all groups change while training.

    Args:
        kind: "constant", "cosine" (to 0 over all epochs, epoch by epoch) or "step".
        every: epochs or optimiser steps between two changes; for "step".
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
        text: ``constant``, ``cosine``, ``step:N:FACTOR`` (every N epochs) or ``steps:N:FACTOR`` (every N optimiser steps).

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
        f"-schedule {text!r} is none of constant, cosine, step:N:FACTOR (every N epochs) and steps:N:FACTOR (every N optimiser steps), "
        "N a whole number of at least 1 and FACTOR above 0"
    )


OWN_IMAGES = "FOLDER"


def own_place(text: str) -> Path | None:
    """Return the place of somebody's own images that ``-db FOLDER:PATH`` names, absolute; None for the name of a data set.

    Raises:
        UsageError: when there is nothing behind the colon.

    Example:
        >>> own_place("FOLDER:/home/me/pets").name, own_place("CIFAR_10")
        ('pets', None)
    """
    kind, colon, path = text.partition(":")
    if not colon or kind != OWN_IMAGES:
        return None
    if not path.strip():
        raise UsageError(f"-db {text} names no folder: write {OWN_IMAGES}:PATH")
    return absolute(Path(path.strip()))


def absolute(path: Path) -> Path:
    """Return a path from the root of the file system; links in it stay links, and so does a ``~`` that is no user's home."""
    return Path(os.path.abspath(os.path.expanduser(path)))  # noqa: PTH100, PTH111 (resolve() follows links, Path.expanduser() raises)


def name_of_own(place: Path) -> str:
    """Return what the data set of somebody's own images is called.

    Example:
        >>> name_of_own(Path("/home/me/my pets")), name_of_own(Path("/home/me/pets.csv"))
        ('FOLDER_my_pets', 'FOLDER_pets')
    """
    base = place.stem if place.suffix.lower() == ".csv" else place.name
    return f"{OWN_IMAGES}_" + re.sub(r"[^\w.+-]+", "_", base)


def database_name(text: str) -> str:
    """Return the data set that ``-db`` means: what it says, or for ``FOLDER:PATH`` the name of that set.

    Example:
        >>> database_name("FOLDER:../pets"), database_name("CIFAR_10")
        ('FOLDER_pets', 'CIFAR_10')
    """
    place = own_place(text)
    return text if place is None else name_of_own(place)
