"""Which settings a comparison lets every rule have its own value of."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ..errors import UsageError, unknown_name
from ..runs import METHODS, settings_of

_REFUSED = {
    "mode": "it is the rule that is compared",
    "seed": "seeds are what means and tests are taken over",
    "number_of_bits": "codes of other lengths are another task",
    "freeze": "frozen runs are a row of their own",
}


def settings_per_rule(names: Sequence[str], known: Collection[str], methods: Collection[str]) -> list[str]:
    """Return the long names of the settings that ``-per_rule`` names.

    Args:
        names: long or short names.
        known: the long names of all settings that tell the runs of a comparison apart.
        methods: their methods.

    Raises:
        UsageError: for what no rule can have a value of its own of.
        UnknownNameError: naming the nearest setting.

    Example:
        >>> settings_per_rule(["lr"], ["learning_rate", "loss"], ["PenaltyStrategies"])
        ['learning_rate']
    """
    tables = [settings_of(method).long_names() for method in methods if method in METHODS]
    aliases = {alias: name for table in tables for alias, name in table.items()}
    found = [aliases.get(name, name) for name in names]
    for name in found:
        if name in _REFUSED:
            raise UsageError(f"-per_rule {name}: {_REFUSED[name]}; name settings such as learning_rate")
        if name not in known:
            raise unknown_name("setting for -per_rule", name, set(known) - set(_REFUSED))
    return [*dict.fromkeys(found)]
