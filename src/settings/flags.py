"""Flags that several commands have, and the settings that a command line gives."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from .common import CommonSettings, Table
from .own_images import own_place
from .setting import Field, convert, kind_of
from .yaml_file import read_config


def add_settings(parser: argparse.ArgumentParser, table: type[CommonSettings], phase: str, *, skip: Sequence[str] = ()) -> None:
    """Add the flags of a phase to a parser; a flag that is not given leaves nothing in the namespace.

    Args:
        parser: the parser to extend.
        table: a method's settings.
        phase: "train" or "predict".
        skip: long names to leave out.
    """
    for field, setting in table.table():
        if phase not in setting.phases or field.name in skip:
            continue
        details: dict[str, Any] = {"dest": field.name, "default": argparse.SUPPRESS}
        details["help"] = _help_of(field)
        kind = kind_of(field)
        if kind == "bool":
            details["action"] = "store_true"
        elif kind == "tuple":
            details |= {"nargs": "+", "metavar": "NAME"}
        else:
            details["metavar"] = {"int": "N", "float": "X"}.get(kind, "NAME")
        parser.add_argument(f"-{setting.flag}", f"--{field.name}", **details)


def add_measures(parser: argparse.ArgumentParser) -> None:
    """Add the flags of an evaluation that ask for further numbers; a flag that is not given leaves nothing in the namespace."""
    group = parser.add_argument_group("further numbers", "beside those always made; every combination of what is given")
    for name, kind, metavar, words in _MEASURES:
        group.add_argument(f"-{name}", f"--{name}", nargs="+", type=kind, default=argparse.SUPPRESS, metavar=metavar, help=words)


def given_measures(namespace: argparse.Namespace) -> list[Sequence[Any]]:
    """Return what :func:`add_measures` made a command line say: tie rules, cuts, radii and denominators.

    Example:
        >>> parser = argparse.ArgumentParser()
        >>> add_measures(parser)
        >>> given_measures(parser.parse_args(["-k", "10", "100"]))
        [(), [10, 100], (), ()]
    """
    return [getattr(namespace, name, ()) for name, *_ in _MEASURES]


def whole_number(text: str) -> int:
    """Return a whole number of at least 0.

    Raises:
        argparse.ArgumentTypeError: for anything else.

    Example:
        >>> whole_number("12")
        12
    """
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 0")
    return int(text)


SKIPPED = Fraction(1, 100)  # what -skip_unreadable means without a value


def share(text: str) -> Fraction:
    """Return a share from 0 to 1, exactly as it is written.

    Raises:
        argparse.ArgumentTypeError: for anything else.

    Example:
        >>> share("0.05")
        Fraction(1, 20)
    """
    if not re.fullmatch(r"\d*\.?\d+", text) or Fraction(text) > 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share from 0 to 1 (0.05 is 5 of 100): give one, or the flag as the last")
    return Fraction(text)


def add_skip_unreadable(parser: argparse.ArgumentParser) -> None:
    """Add the flag of every command that prepares image files: the largest share of them that may be left out as unreadable."""
    words = (
        "leave out images that cannot be decoded, and write down which, up to this share of all; without the flag they are refused, "
        f"without a value the share is {float(SKIPPED)}"
    )
    parser.add_argument(
        "-skip_unreadable", "--skip_unreadable", nargs="?", type=share, const=SKIPPED, default=Fraction(), metavar="SHARE", help=words
    )


def collect_settings(table: type[Table], namespace: argparse.Namespace, config: Path | None = None) -> Table:
    """Build the settings of a command line; flags win over the YAML file.

    Args:
        table: the method's settings.
        namespace: what the parser returned; attributes that are no settings are left alone.
        config: a YAML file of settings, or None.

    Raises:
        UsageError: for values or a file that cannot be used.
    """
    given = given_settings(table, namespace)
    return table.from_mapping(read_config(table, config, given) | given, str(config or "command line"))


def given_settings(table: type[CommonSettings], namespace: argparse.Namespace) -> dict[str, Any]:
    """Return the settings a command line names, converted, under their long names."""
    given = vars(namespace)
    return {field.name: convert(field, given[field.name], f"-{setting.flag}") for field, setting in table.table() if field.name in given}


def given_images(namespace: argparse.Namespace, config: Path | None = None) -> Path | None:
    """Return the place of own images that a command line or a YAML file names with ``-db FOLDER:PATH``, None where they name a dataset.

    Args:
        namespace: what the parser returned.
        config: a YAML file of settings, or None.

    Example:
        >>> given_images(argparse.Namespace(database="FOLDER:/home/me/pets")).name
        'pets'
    """
    value = (read_config(CommonSettings, config) | vars(namespace)).get("database", "")
    return own_place(str(value[0]) if isinstance(value, list) and value else str(value))


def _help_of(field: Field) -> str:
    setting = field.metadata["setting"]
    unit = f" [{setting.unit}]" if setting.unit else ""
    choices = f"; one of: {', '.join(setting.choices)}" if setting.choices else ""
    default = " ".join(field.default) if isinstance(field.default, tuple) else field.default
    shown = "" if default in ("", False) or default != default else f" (default: {default})"  # NaN stands for what follows from others
    return f"{setting.help}{unit}{choices}{shown}".replace("%", "%%")


_MEASURES = (
    ("ties", str, "RULE", "expected, index, feature, worst, best"),
    ("k", whole_number, "N", "only the first N items count"),
    ("radius", whole_number, "N", "only items within distance N count"),
    ("denominator", str, "RULE", "what AP is divided by: retrieved, min, all"),
)
