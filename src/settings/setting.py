"""What a table says about one of its fields, and the checks and conversions that every table shares."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from ..errors import UsageError, unknown_name

PHASES = ("train", "predict")
Check: TypeAlias = tuple[Callable[[Any], bool], str]

POSITIVE: Check = (lambda value: value > 0, "above 0")
AT_LEAST_0: Check = (lambda value: value >= 0, "at least 0")
AT_LEAST_1: Check = (lambda value: value >= 1, "at least 1")
SEED: Check = (lambda value: 0 <= value < 2**64, "from 0 to 2^64 - 1")
DIRECTORY_NAME: Check = (
    lambda value: re.fullmatch(r"\w[\w.+-]*", value) is not None,
    "a folder name of letters, digits and . _ + -",
)
TRAIN_ONLY: dict[str, Any] = {"phases": ("train",), "named": "never"}
PREDICT_ONLY: dict[str, Any] = {"phases": ("predict",), "named": "never"}

_TRUTH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_WORDS = {"int": "a whole number", "float": "a number", "str": "a text"}
_NUMBERS: dict[str, type[int] | type[float]] = {"int": int, "float": float}


@dataclass(frozen=True)
class Setting:
    """What a table says about one field, beside its long name, type and default.

    Args:
        flag: the short flag, without its dash; also the key in the run's name.
        help: one line for ``-h`` and the reference page.
        unit: unit of the value, empty for pure numbers.
        choices: the legal values, empty for any.
        check: a predicate for legal values and the words for it ("at least 1").
        phases: the phases that take the setting.
        named: whether the run's name carries it: always, never, or only when it differs from its default.
        recorded: whether ``hparams.json`` holds it always, or only when it differs from its default: a setting that came later
            leaves the files of other runs as they are.
        before: the long name of the field that it stands before in the run's name; empty for the place that the class gives it.
        read: what a text means, where it is more than it says.
        family: which of the choices a text is a form of, where it may be more than one of them.
    """

    flag: str
    help: str
    unit: str = ""
    choices: tuple[str, ...] = ()
    check: Check | None = None
    phases: tuple[str, ...] = PHASES
    named: Literal["always", "changed", "never"] = "changed"
    recorded: Literal["always", "changed"] = "always"
    before: str = ""
    read: Callable[[str], str] = str
    family: Callable[[str], str] = str


Field: TypeAlias = "dataclasses.Field[Any]"


def setting(default: Any, flag: str, help: str, **details: Any) -> Any:
    """Return a dataclass field that is a setting.

    Args:
        default: its default.
        flag: see :class:`Setting`.
        help: see :class:`Setting`.
        details: the other arguments of :class:`Setting`.

    Example:
        >>> @dataclass(frozen=True)
        ... class Table:
        ...     rank: int = setting(8, "rank", "columns of the projection", check=AT_LEAST_1)
        >>> Table().rank
        8
    """
    return dataclasses.field(default=default, metadata={"setting": Setting(flag, help, **details)})


def with_default(table: Any, name: str, default: Any) -> Any:
    """Return a setting of another table with another default.

    Args:
        table: the other table.
        name: long name of the setting.
        default: its new default.

    Example:
        >>> @dataclass(frozen=True)
        ... class Table:
        ...     rank: int = setting(8, "rank", "columns of the projection")
        >>> @dataclass(frozen=True)
        ... class Wide(Table):
        ...     rank: int = with_default(Table, "rank", 16)
        >>> Wide().rank
        16
    """
    return dataclasses.field(default=default, metadata=table.__dataclass_fields__[name].metadata)


def kind_of(field: Field) -> str:
    """Return the type of a field: "bool", "int", "float", "str" or "tuple", the last of texts."""
    kind = field.type if isinstance(field.type, str) else field.type.__name__
    return kind.partition("[")[0]


def convert(field: Field, value: Any, where: str) -> Any:
    """Convert a text, YAML or JSON value to the type of a field.

    Raises:
        UsageError: naming the place, the value and the wanted type.
    """
    kind = kind_of(field)
    if kind == "tuple":
        items = value.split() if isinstance(value, str) else value
        if not isinstance(items, Iterable):
            raise UsageError(f"{where}: {value!r} is not a list")
        return tuple(str(item) for item in items)
    if kind == "bool":
        return truth(value, where)
    if isinstance(value, (bool, list, dict)) or value is None:
        raise UsageError(f"{where}: {value!r} is not {_WORDS[kind]}{', and only a study takes lists' if isinstance(value, list) else ''}")
    try:
        return field.metadata["setting"].read(str(value)) if kind == "str" else _NUMBERS[kind](str(value))
    except ValueError as error:
        raise UsageError(f"{where}: {value!r} is not {_WORDS[kind]}") from error


def truth(value: Any, where: str) -> bool:
    """Return the truth value that a text, YAML or JSON value means.

    Raises:
        UsageError: naming the place and the value.
    """
    meant = _TRUTH.get(str(value).lower())
    if meant is None:
        raise UsageError(f"{where}: {value!r} is neither true nor false")
    return meant


def check_value(setting: Setting, value: Any) -> None:
    """Check one value against the table.

    Raises:
        UsageError: naming the flag, the value and what would be legal.
    """
    for item in value if isinstance(value, tuple) else (value,):
        if setting.choices and setting.family(item) not in setting.choices:
            raise unknown_name(f"value for -{setting.flag}", item, setting.choices)
        if isinstance(item, float) and not math.isfinite(item):
            raise UsageError(f"-{setting.flag} {item!r} is not possible: it must be a finite number")
        if setting.check and not setting.check[0](item):
            unit = f" {setting.unit}" if setting.unit else ""
            unit = unit.removesuffix("s") if setting.check is AT_LEAST_1 else unit
            raise UsageError(f"-{setting.flag} {item!r} is not possible: it must be {setting.check[1]}{unit}")
