"""Compiled loops, and threads of Python around work that does not need the interpreter."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from functools import cache
from typing import Any

from .interrupts import defer_interrupts


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function that runs without the interpreter's lock, and keep it on disk.

    The compiled code is stored beside the source file or, if that is read-only, in the user's cache. If neither can be written (no home
    directory either), every process compiles it again.
    """
    import numba

    _defer_interrupts_while_compiling()
    try:
        return numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # "no locator available"
        return numba.njit(nogil=True)(function)


@cache
def _defer_interrupts_while_compiling() -> None:
    """Defer Ctrl-C while a loop is compiled or loaded: LLVM calls Python then, and an exception there is printed and lost."""
    from numba.core import event

    class Deferral(event.Listener):
        def __init__(self) -> None:
            self.own = threading.local()  # compiling a loop compiles those it calls, and other threads compile meanwhile

        def on_start(self, event: Any) -> None:
            self.own.held = [*getattr(self.own, "held", ()), ExitStack()]
            self.own.held[-1].enter_context(defer_interrupts())

        def on_end(self, event: Any) -> None:
            self.own.held.pop().close()

    event.register("numba:compiler_lock", Deferral())


def chunked(work: Callable[[slice], None], count: int, together: int, threads: int) -> None:
    """Call work on consecutive chunks of a range of items, in several threads.

    The work must release the interpreter's lock, and its result for one item must not depend on the others. It must not call this
    function itself: every thread would then wait for a free one.

    Args:
        work: called with a slice of the items; the first error it raises is raised here, and no further slice is begun.
        count: number of items.
        together: items per slice at most.
        threads: number of threads that share the slices, including the calling one.

    Example:
        >>> seen = []
        >>> chunked(seen.append, 20, together=16, threads=1)
        >>> [(part.start, part.stop) for part in seen]
        [(0, 16), (16, 20)]
    """
    parts = [slice(start, min(start + together, count)) for start in range(0, count, together)]
    waiting = iter(parts)

    def take() -> None:
        try:
            for part in waiting:
                work(part)
        finally:
            deque(waiting, maxlen=0)  # after an error nothing more is begun

    helpers = [_pool(os.getpid(), threads).submit(take) for _ in range(min(threads, len(parts)) - 1)]
    try:
        take()
    finally:
        helpers = [helper for helper in helpers if not helper.cancel()]  # nothing is left to those that others kept from beginning
        wait(helpers)
    for helper in helpers:
        helper.result()  # raises what it raised


def threads() -> int:
    """Return how many threads compiled loops take: ``OMP_NUM_THREADS`` as in every other library, or all processors of this process.

    Example:
        >>> threads() >= 1
        True
    """
    requested = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    if requested.isdecimal() and int(requested) > 0:
        return int(requested)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """Return threads that stay and wait for more work: starting them can take longer than the work. A forked process gets its own."""
    return ThreadPoolExecutor(threads - 1, thread_name_prefix="chunked")
