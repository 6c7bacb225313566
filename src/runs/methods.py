"""Which methods are installed: the name of each is also its directory below ``models/`` and ``eval/``."""

from __future__ import annotations

from ..registry import Registry

DEFAULT_METHOD = "PenaltyStrategies"

# Method -> the package of its entrances; the default comes first. Listing the methods imports none of them.
METHODS: Registry[str] = Registry("method")
METHODS.register(DEFAULT_METHOD)("biodeephashing.models.PenaltyStrategies")


def check_method(name: str) -> None:
    """Raise the error for a method that does not exist.

    Raises:
        UnknownNameError: naming the nearest one and all.
    """
    METHODS[name]
