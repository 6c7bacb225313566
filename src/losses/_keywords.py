"""The constants of a loss: which there are, and whether a value is possible."""

from __future__ import annotations

import inspect
import math
from typing import Any

from ..errors import UsageError


def keywords_of(cls: type) -> dict[str, Any]:
    """Return the keyword-only arguments of a class's constructors with their defaults, the class's own first.

    Example:
        >>> class Ring:
        ...     def __init__(self, *, metal: str = "gold") -> None: ...
        >>> keywords_of(Ring)
        {'metal': 'gold'}
    """
    keywords: dict[str, Any] = {}
    for ancestor in cls.__mro__:
        if "__init__" in vars(ancestor):
            for parameter in inspect.signature(vars(ancestor)["__init__"]).parameters.values():
                if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
                    keywords.setdefault(parameter.name, parameter.default)
    return keywords


def count(name: str, value: int) -> int:
    """Return a whole number of at least 1.

    Raises:
        UsageError: for anything else.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UsageError(f"{name}={value!r} is not possible: it must be a whole number of at least 1")
    return value


def truth(name: str, value: bool) -> bool:
    """Return a truth value.

    Raises:
        UsageError: for anything else.
    """
    if not isinstance(value, bool):
        raise UsageError(f"{name}={value!r} is not possible: it must be true or false")
    return value


def number(name: str, value: float, *, above: float = -math.inf, least: float = -math.inf, most: float = math.inf) -> float:
    """Return a finite number within its bounds.

    Args:
        name: what the value is, for the message.
        value: the number.
        above: bound the number must exceed.
        least: bound the number may equal.
        most: bound the number may equal.

    Raises:
        UsageError: for anything else.

    Example:
        >>> number("gamma", 10, above=0)
        10.0
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UsageError(f"{name}={value!r} is not a number")
    if not (math.isfinite(value) and value > above and least <= value <= most):
        bounds = [f"above {above:g}"] * (above > -math.inf) + [f"at least {least:g}"] * (least > -math.inf)
        bounds += [f"at most {most:g}"] * (most < math.inf)
        raise UsageError(f"{name}={value!r} is not possible: it must be a finite number {' and '.join(bounds)}".rstrip())
    return float(value)
