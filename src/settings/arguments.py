"""Command lines: a strict parser derived from the table of settings."""

from __future__ import annotations

import argparse
import dataclasses
import re
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn

from ..errors import UsageError, nearest
from .common import Settings, convert, from_mapping, table
from .phrases import own_place

_CALLED: ContextVar[str | None] = ContextVar("called", default=None)


@contextmanager
def called(name: str) -> Iterator[None]:
    """Make the help of parsers show a command's name, where it is not that of the file.

    Example:
        >>> with called("biodeephashing train"):
        ...     print(StrictParser(usage="%(prog)s -ep N").format_usage().strip())
        usage: biodeephashing train -ep N
    """
    token = _CALLED.set(name)
    try:
        yield
    finally:
        _CALLED.reset(token)


def command_line(script: str) -> str:
    """Return how to call a script: as a file, or by the one command where that was used to get here.

    Args:
        script: its path below the root of the checkout.

    Example:
        >>> command_line("src/eval/eval_map.py")
        'python src/eval/eval_map.py'
        >>> with called("biodeephashing predict"):
        ...     command_line("src/eval/eval_map.py"), command_line("src/data/process/DIGITS.py")
        ('biodeephashing evaluate', 'biodeephashing prepare DIGITS')
    """
    if _CALLED.get() is None:
        return f"python {script}"
    folder, name = script.removesuffix(".py").split("/")[-2:]
    command = {"eval_map": "evaluate", "eval_codes": "evaluate-codes"}.get(name, name)
    return f"biodeephashing {({'process': 'prepare ', 'download': 'download '}).get(folder, '')}{command}"


class _Help(argparse.ArgumentDefaultsHelpFormatter):
    """Help that names the defaults which say something, and leaves addresses whole."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        silent = action.default is None or action.default is False or action.default == []
        return action.help if silent else super()._get_help_string(action)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        words = " ".join(text.split())
        return textwrap.fill(words, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False)


class StrictParser(argparse.ArgumentParser):
    """An argument parser that takes flags only as they are spelt, and raises instead of exiting.

    ``argparse`` completes abbreviated one-dash flags even with ``allow_abbrev=False``: ``-nb 8`` would set ``-nbits``.

    Raises:
        UsageError: for an unknown, abbreviated, repeated or incomplete flag.
    """

    def __init__(self, **details: Any) -> None:
        super().__init__(**{"prog": _CALLED.get()} | details, allow_abbrev=False, formatter_class=_Help)

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Parse a command line after checking every flag against the exact list."""
        arguments = list(sys.argv[1:] if args is None else args)
        known = self._option_string_actions
        given: dict[str, str] = {}
        for token in arguments:
            flag = token.partition("=")[0]
            if not flag.startswith("-") or flag == "-" or _is_number(token):
                continue
            if flag not in known:
                guess = nearest(flag, known)
                hint = f"did you mean {guess}? " if guess else ""
                raise UsageError(f"unknown flag {flag}: {hint}(-h lists them all; a value that starts with a dash is written --flag=value)")
            dest = known[flag].dest
            if dest in given:
                raise UsageError(f"{given[dest]} is given twice{'' if flag == given[dest] else f' (also as {flag})'}: leave one out")
            given[dest] = flag
        return super().parse_args(arguments, namespace)

    def error(self, message: str) -> NoReturn:
        """Raise what ``argparse`` has to complain about."""
        raise UsageError(message.removeprefix("argument "))


def add_settings(parser: argparse.ArgumentParser, phase: str, *, skip: Sequence[str] = ()) -> None:
    """Add the flags of a phase to a parser; a flag that is not given leaves nothing in the namespace.

    Args:
        parser: the parser to extend.
        phase: "train" or "predict".
        skip: long names to leave out.
    """
    for field, setting in table():
        if phase not in setting.phases or field.name in skip:
            continue
        details: dict[str, Any] = {"dest": field.name, "default": argparse.SUPPRESS}
        details["help"] = _help_of(field)
        if field.type == "bool":
            details["action"] = "store_true"
        elif str(field.type).startswith("tuple"):
            details |= {"nargs": "+", "metavar": "NAME"}
        else:
            details["metavar"] = {"int": "N", "float": "X"}.get(str(field.type), "NAME")
        parser.add_argument(f"-{setting.flag}", f"--{field.name}", **details)


def add_measures(parser: argparse.ArgumentParser) -> None:
    """Add the flags of an evaluation that ask for further numbers; a flag that is not given leaves nothing in the namespace."""
    group = parser.add_argument_group("further numbers", "beside those always made; every combination of what is given")
    for name, kind, metavar, words in _MEASURES:
        group.add_argument(f"-{name}", f"--{name}", nargs="+", type=kind, default=argparse.SUPPRESS, metavar=metavar, help=words)


def given_measures(namespace: argparse.Namespace) -> list[Sequence[Any]]:
    """Return what :func:`add_measures` made a command line say: tie rules, cuts, radii and divisors.

    Example:
        >>> parser = StrictParser()
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


def collect_settings(namespace: argparse.Namespace, config: Path | None = None) -> Settings:
    """Build the settings of a command line; flags win over the YAML file.

    Args:
        namespace: what the parser returned; attributes that are no settings are left alone.
        config: a YAML file of settings, or None.

    Raises:
        UsageError: for values or a file that cannot be used.
    """
    return from_mapping(read_config(config) | given_settings(namespace), str(config or "command line"))


def given_settings(namespace: argparse.Namespace) -> dict[str, Any]:
    """Return the settings a command line names, converted, under their long names."""
    given = vars(namespace)
    return {field.name: convert(field, given[field.name], f"-{setting.flag}") for field, setting in table() if field.name in given}


def given_images(namespace: argparse.Namespace, config: Path | None = None) -> Path | None:
    """Return the place of own images that a command line or a YAML file names with ``-db FOLDER:PATH``, None where they name a data set.

    Args:
        namespace: what the parser returned.
        config: a YAML file of settings, or None.

    Example:
        >>> given_images(argparse.Namespace(database="FOLDER:/home/me/pets")).name
        'pets'
    """
    value = (read_config(config) | vars(namespace)).get("database", "")
    return own_place(str(value[0]) if isinstance(value, list) and value else str(value))


def read_config(path: Path | None) -> dict[str, Any]:
    """Read a YAML file of settings into a mapping under long names; values are texts, or lists of texts.

    Raises:
        UsageError: when the file is missing, is not YAML, holds something else than settings, or gives one twice.
    """
    content = read_yaml(path)
    long_names = {setting.flag: field.name for field, setting in table()}
    renamed: dict[str, Any] = {long_names.get(key, key): value for key, value in content.items()}
    if len(renamed) != len(content):
        raise UsageError(f"{path} gives a setting twice, once by its short and once by its long name")
    return renamed


def read_yaml(path: Path | None) -> dict[str, Any]:
    """Read a mapping from a YAML file whose scalars stay as they are written: what a value means, its setting knows.

    YAML itself would read ``2024_05_01`` as 20240501, ``010`` as 8, ``on`` as true and ``1e-4`` as a text.

    Args:
        path: the file; None for an empty mapping.

    Raises:
        UsageError: when the file is missing, is not YAML, holds no mapping, or gives a key twice; it names both lines.
    """
    if path is None:
        return {}
    import yaml

    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers = {"<": [("tag:yaml.org,2002:merge", re.compile("^<<$"))]}  # noqa: RUF012

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            lines: dict[str, int] = {}
            for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
                line = key.start_mark.line + 1
                if key.value in lines:
                    raise UsageError(f"{path} gives {key.value} twice, in line {lines[key.value]} and in line {line}: leave one out")
                lines[key.value] = line
            return super().construct_mapping(node, deep)

    try:
        content = yaml.load(path.read_text("utf-8-sig"), Loader)
    except OSError as error:
        raise UsageError(f"cannot read the settings file {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise UsageError(f"{path} does not hold a mapping of settings")
    return content


def _help_of(field: dataclasses.Field[Any]) -> str:
    setting = field.metadata["setting"]
    unit = f" [{setting.unit}]" if setting.unit else ""
    choices = f"; one of: {', '.join(setting.choices)}" if setting.choices else ""
    default = " ".join(field.default) if isinstance(field.default, tuple) else field.default
    shown = "" if default in ("", False) else f" (default: {default})"
    return f"{setting.help}{unit}{choices}{shown}".replace("%", "%%")


_MEASURES = (
    ("ties", str, "RULE", "expected, index, feature, worst, best"),
    ("k", whole_number, "N", "only the first N items count"),
    ("radius", whole_number, "N", "only items within distance N count"),
    ("denominator", str, "RULE", "what AP is divided by: retrieved, min, all"),
)


def _is_number(token: str) -> bool:
    try:
        float(token)
    except ValueError:
        return False
    return True
