"""The entrance that every rotation has: it builds its flags of the rotation's own table."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import unknown_name
from ...interrupts import defer_interrupts
from ...runs import METHODS, refuse_foreign, settings_of
from ...settings.parsers import rotate_parser
from ..entrances import refuse_launch
from .settings import ParentSettings, RotationSettings


def main(words: Sequence[str]) -> None:
    """Parse the command line of a rotation, and rotate all runs that it names.

    Args:
        words: a command line, its first word the rotation; without it H2Q.

    Raises:
        UsageError: for a method that is no rotation.
    """
    refuse_launch("rotate.py")
    rotations = [method for method in METHODS if issubclass(settings_of(method), RotationSettings)]
    named = bool(words) and not words[0].startswith("-")
    method, flags = (words[0], words[1:]) if named else (rotations[0], words)
    if method not in rotations:
        raise unknown_name("rotation", method, rotations)
    refuse_foreign(method, [word.partition("=")[0] for word in flags if word.startswith("-")], "command line")
    arguments = rotate_parser(settings_of(method), ParentSettings).parse_args(flags)
    with defer_interrupts():
        from ...commands.rotate import from_arguments

    from_arguments(arguments, method)
