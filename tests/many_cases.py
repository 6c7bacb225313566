"""Many cases in one test, where a test of its own for each would cost more than what it checks."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable

import pytest


def each_case(names: str, values: Iterable[object]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Run a test for each value in a loop; written like ``pytest.mark.parametrize``, which makes a test of each value.

    Every case runs. If any fails, the message lists all that failed, and the traceback is the first one's. Fixtures are those of the
    one test: what a case changes must be undone in it.

    Raises:
        ValueError: if there is no case, so that nothing would be checked.
    """
    keys = [name.strip() for name in names.split(",")]
    cases = [dict(zip(keys, value if len(keys) > 1 else (value,), strict=True)) for value in values]
    if not cases:
        raise ValueError(f"no case of {names}")

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def loop(*args: object, **fixtures: object) -> None:
            failed: list[tuple[dict[str, object], BaseException]] = []
            for case in cases:
                try:
                    test(*args, **fixtures, **case)
                except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - raised below, with all others
                    failed.append((case, error))
            if failed:
                lines = [f"{', '.join(f'{key}={value}' for key, value in case.items())}: {error!r}" for case, error in failed]
                raise AssertionError("\n".join([f"{len(failed)} of {len(cases)} cases failed:", *lines])) from failed[0][1]

        signature = inspect.signature(test)
        rest = [parameter for name, parameter in signature.parameters.items() if name not in keys]
        loop.__signature__ = signature.replace(parameters=rest)
        return loop

    return decorate
