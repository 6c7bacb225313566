"""Methods: how a network, a rule and a loss are trained together. One folder each."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import unknown_name

# Method -> the package of its entrances; the default comes first. Listing the methods imports none of them.
METHODS: Mapping[str, str] = {"PenaltyStrategies": "biodeephashing.models.PenaltyStrategies"}


def check_method(name: str) -> None:
    """Raise the error for a method that does not exist.

    Raises:
        UnknownNameError: naming the nearest one and all.
    """
    if name not in METHODS:
        raise unknown_name("method", name, METHODS)
