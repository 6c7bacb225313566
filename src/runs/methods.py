"""Which methods are installed: the name of each is also its directory below ``models/`` and ``eval/``."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import BioDeepHashingError, UsageError
from ..registry import Registry, load
from ..settings import CommonSettings, TrainingSettings
from ..settings.strict_parser import command_line

DEFAULT_METHOD = "PenaltyStrategies"


@dataclass(frozen=True)
class MethodLocation:
    """Where the parts of a method are found, as ``module:attribute``: listing the methods imports none of them.

    Args:
        settings: its table, a subclass of :class:`~biodeephashing.settings.CommonSettings`; importing it must be quick.
        method: its :class:`~biodeephashing.models.Method`.
    """

    settings: str
    method: str


METHODS: Registry[MethodLocation] = Registry("method")  # the default comes first


def register_method(name: str, *, settings: str, method: str) -> None:
    """Add a method: a file of its own is enough, which may be imported and run as a script at once.

    Args:
        name: its name, the same as the attribute ``method`` of its table.
        settings: where its table is, ``module:attribute``.
        method: where its :class:`~biodeephashing.models.Method` is, ``module:attribute``.

    Raises:
        BioDeepHashingError: if the name is taken by another method.
    """
    location = MethodLocation(settings, method)
    if METHODS.get(name) != location:
        METHODS.register(name)(location)


register_method(
    DEFAULT_METHOD,
    settings="biodeephashing.models.PenaltyStrategies.settings:Settings",
    method="biodeephashing.models.PenaltyStrategies.method:METHOD",
)
register_method("ADSH", settings="biodeephashing.models.ADSH.settings:Settings", method="biodeephashing.models.ADSH.method:METHOD")
register_method(
    "CrossModal",
    settings="biodeephashing.models.CrossModal.settings:Settings",
    method="biodeephashing.models.CrossModal.method:METHOD",
)
register_method("H2Q", settings="biodeephashing.models.H2Q.settings:Settings", method="biodeephashing.models.H2Q.method:METHOD")
register_method("ITQ", settings="biodeephashing.models.ITQ.settings:Settings", method="biodeephashing.models.ITQ.method:METHOD")
register_method("LLC", settings="biodeephashing.models.LLC.settings:Settings", method="biodeephashing.models.LLC.method:METHOD")


def check_method(name: str) -> None:
    """Raise the error for a method that does not exist.

    Raises:
        UnknownNameError: naming the nearest one and all.
    """
    METHODS[name]


def settings_of(method: str) -> type[CommonSettings]:
    """Return the table of a method's settings.

    Raises:
        UnknownNameError: if there is no method of that name.

    Example:
        >>> settings_of("PenaltyStrategies").method
        'PenaltyStrategies'
    """
    table: type[CommonSettings] = load(METHODS[method].settings)
    if table.method != method:
        raise BioDeepHashingError(f"{METHODS[method].settings} is the table of the method {table.method!r}, not of {method!r}")
    return table


def refuse_foreign(method: str, names: Iterable[str], source: str) -> None:
    """Refuse settings that a method has not, but another one has.

    Args:
        method: the method of the command.
        names: short or long names of settings, as flags or keys; those that no method has are for others to refuse, unless they
            are keys of files of another code base that a method reads.
        source: where they come from, for messages.

    Raises:
        UsageError: naming the setting and both methods.
    """
    own = settings_of(method).long_names()
    for name in (name for name in names if name.lstrip("-") not in own):
        for other in (other for other in METHODS if other != method and name.lstrip("-") in settings_of(other).long_names()):
            raise UsageError(f"{source}: {name} is a setting of {other}, {method} has none")
        for other in (other for other in METHODS if other != method and name in settings_of(other).foreign_keys):
            train = command_line(f"src/models/{other}/train.py")
            raise UsageError(f"{source}: {name} is a key of files that {other} reads, not {method}: {train} -config {shlex.quote(source)}")


def identifying_settings(values: Mapping[str, Any]) -> dict[str, str]:
    """Return, as texts, the settings that tell a run from others: what its name carries, whatever its method.

    Args:
        values: its settings under their long names, as ``hparams.json`` or MLflow has them; of a method that is not installed
            all count that no training is known to keep out of names.
    """
    method = values.get("model", DEFAULT_METHOD)
    table = (settings_of(method) if method in METHODS else TrainingSettings).table()
    if method in METHODS:
        return {field.name: str(values.get(field.name, field.default)) for field, row in table if row.named != "never"}
    beside = {"model", "preprocessing", *(field.name for field, row in table if row.named == "never")}
    return {name: str(value) for name, value in values.items() if name not in beside}
