"""Entries with commas between them, ``left=right,...``: the form of rule maps and of constants."""

from __future__ import annotations

from collections.abc import Callable

from .errors import UsageError


def parse_entries(text: str, what: str, form: str, *, legal: Callable[[str], bool] = bool) -> dict[str, str]:
    """Return the right side of each entry under its left side, in their order and without the blanks around them.

    Args:
        text: the entries; nothing for none.
        what: what they are together, for messages ("rule map").
        form: what an entry looks like, for messages ("pattern=rule").
        legal: tells which left sides there may be.

    Raises:
        UsageError: for an entry of another form, and for a left side that comes twice.

    Example:
        >>> parse_entries("features.*=frsf, *=bp", "rule map", "pattern=rule")
        {'features.*': 'frsf', '*': 'bp'}
    """
    entries: dict[str, str] = {}
    for entry in text.split(",") if text.strip() else ():
        left, _, right = (part.strip() for part in entry.partition("="))
        if not (legal(left) and left and right):
            raise UsageError(f"{what} {text!r}: {entry.strip()!r} is not of the form {form}")
        if left in entries:
            raise UsageError(f"{what} {text!r}: the {form.partition('=')[0]} {left!r} comes twice")
        entries[left] = right
    return entries
