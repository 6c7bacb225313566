"""Compiled loops, and threads of Python around work that does not need the interpreter."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function that runs without the interpreter's lock, and keep it on disk.

    It is kept beside its own file or, where that is read-only, in the user's cache. Where nothing can be written (no home either), it is
    compiled anew in every process.
    """
    import numba

    try:
        return numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # "no locator available"
        return numba.njit(nogil=True)(function)


def in_parts(work: Callable[[slice], None], count: int, together: int, threads: int) -> None:
    """Do work on so many things, some at a time, in several threads.

    The work must release the interpreter's lock, and must not let the result of one thing depend on another's.

    Example:
        >>> seen = []
        >>> in_parts(seen.append, 20, together=16, threads=1)
        >>> [(part.start, part.stop) for part in seen]
        [(0, 16), (16, 20)]
    """
    parts = [slice(start, min(start + together, count)) for start in range(0, count, together)]
    workers = min(threads, len(parts))
    if workers < 2:
        for part in parts:
            work(part)
        return
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, parts))  # the list raises what a thread raised
