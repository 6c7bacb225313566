"""Units of work, such as the trials of a grid or the shards of a database: the flags that say who does which of them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TypeVar

from ..errors import UsageError, unknown_name
from ..registry import names_on_disk
from .flags import whole_number

Unit = TypeVar("Unit")

LOCAL = "local"


@dataclass(frozen=True)
class Part:
    """Every N-th unit of work: several processes that need not know each other do one part each.

    Args:
        number: I, the number of the first unit, from 0.
        of: N, how many parts there are.

    Example:
        >>> Part(1, 3).take("abcdefg")
        ['b', 'e']
    """

    number: int = 0
    of: int = 1

    def take(self, units: Sequence[Unit]) -> list[Unit]:
        """Return the units whose number, counted from 0, leaves the remainder I on division by N."""
        return list(units[self.number :: self.of])

    @property
    def is_whole(self) -> bool:
        """Whether there is no other part."""
        return self.of == 1

    def __str__(self) -> str:
        """Return the part as ``-part`` takes it."""
        return f"{self.number}/{self.of}"


@dataclass(frozen=True)
class Placement:
    """Who does the units of work of a command, and which of them.

    Args:
        on: the name of an executor: local, the processes of this machine, or ray, a cluster.
        jobs: units at a time; 0 for as many as cores, GPUs or the cluster allow.
        part: the units that this command does.
        address: where the cluster is, ``HOST:PORT``; local for one on this machine that ends with the command.
        unit_cpus: cores of the cluster that a unit takes; 0 for what it asks for.
        retries: how often a unit begins again after its process or its node died.
    """

    on: str = LOCAL
    jobs: int = 0
    part: Part = Part()
    address: str = LOCAL
    unit_cpus: int = 0
    retries: int = 3


HERE = Placement()
PLACEMENT_FLAGS = tuple(field.name for field in fields(Placement))


def add_placement(parser: argparse.ArgumentParser, *, skip: Sequence[str] = ()) -> None:
    """Add the flags of :class:`Placement` to the parser of a command; one that is not given leaves nothing in the namespace.

    Args:
        parser: the parser to extend.
        skip: flags to leave out.
    """
    group = parser.add_argument_group("units of work", "who does them, and which; see docs/scale.md")
    for flag, kind, metavar, words in (
        ("on", _executor, "NAME", f"{LOCAL}: processes of this machine, or ray: a cluster (default: {HERE.on})"),
        ("jobs", whole_number, "N", "units at a time; 0: one per core, or one per GPU; with -on ray what fits (default: 0)"),
        ("part", part_of, "I/N", "only the I-th of N parts of the units, counted from 0"),
        ("address", _address, "HOST:PORT", f"with -on ray: the cluster, or {LOCAL}: start one on this machine (default: {HERE.address})"),
        ("unit_cpus", _positive, "N", "with -on ray: cores that a unit takes (default: 1, and -nw more)"),
        ("retries", whole_number, "N", f"with -on ray: new starts of a unit whose process or node died (default: {HERE.retries})"),
    ):
        if flag not in skip:
            group.add_argument(f"-{flag}", f"--{flag}", type=kind, default=argparse.SUPPRESS, metavar=metavar, help=words)


def given_placement(namespace: argparse.Namespace) -> Placement:
    """Return what :func:`add_placement` made a command line say.

    Raises:
        UsageError: for flags that have no effect together.

    Example:
        >>> parser = argparse.ArgumentParser()
        >>> add_placement(parser)
        >>> given_placement(parser.parse_args(["-part", "3/16"])).part
        Part(number=3, of=16)
    """
    given = {name: value for name, value in vars(namespace).items() if name in PLACEMENT_FLAGS}
    placement = Placement(**given)
    if placement.on == LOCAL:
        for name in ("address", "unit_cpus", "retries"):
            if name in given:
                raise UsageError(f"-{name} is for a cluster: give -on ray too, or leave it out")
    elif "part" in given:
        raise UsageError(f"-part {placement.part} is for processes that do not know each other: -on {placement.on} hands out all units")
    return placement


def part_of(text: str) -> Part:
    """Return the part that a text of the form ``I/N`` names.

    Raises:
        argparse.ArgumentTypeError: for anything else, or a part that does not exist.
    """
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a part I/N, such as 0/4, the first of four")
    part = Part(int(match[1]), int(match[2]))
    if part.number >= part.of:
        reason = f"the parts of {part.of} are 0/{part.of} to {part.of - 1}/{part.of}" if part.of else "there is at least one part"
        raise argparse.ArgumentTypeError(f"{text!r} does not exist: {reason}")
    return part


def _executor(text: str) -> str:
    if text not in (names := names_on_disk("executors", "EXECUTORS")):
        raise unknown_name("value for -on", text, names)
    return text


def _address(text: str) -> str:
    host, _, port = text.rpartition(":")
    if text != LOCAL and not (host and port.isdecimal() and 0 < int(port) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is neither {LOCAL} nor HOST:PORT, such as 10.0.0.1:6379")
    return text


def _positive(text: str) -> int:
    if whole_number(text) == 0:
        raise argparse.ArgumentTypeError("it must be at least 1")
    return int(text)
