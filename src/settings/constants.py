"""Constants of a loss or a learning rule as text: ``gamma=20,period=7``."""

from __future__ import annotations

from ..parsing import parse_entries


def parse_constants(text: str, what: str = "constants") -> dict[str, bool | int | float | str]:
    """Return the constants that a text sets, each as the simplest of truth value, whole number, number and text that it can be.

    Args:
        text: entries ``name=value`` with commas between them; nothing for none.
        what: what they are together, for messages.

    Raises:
        UsageError: for an entry of another form, and for a name that comes twice.

    Example:
        >>> parse_constants("gamma=20, proxy_tanh=true,alpha=1e-1")
        {'gamma': 20, 'proxy_tanh': True, 'alpha': 0.1}
    """
    return {name: _simplest(value) for name, value in parse_entries(text, what, "name=value", legal=str.isidentifier).items()}


def tidy_constants(text: str) -> str:
    """Return constants in the order of their names, without blanks: what means the same is written the same.

    Raises:
        UsageError: for malformed constants.

    Example:
        >>> tidy_constants("period = 100, alpha=0.10")
        'alpha=0.1,period=100'
    """
    return ",".join(
        f"{name}={str(value).lower() if value in (True, False) else value}" for name, value in sorted(parse_constants(text).items())
    )


def _simplest(value: str) -> bool | int | float | str:
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value
