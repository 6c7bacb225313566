"""Threads of Python around work that does not need the interpreter."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from ..._compiled import chunked, threads

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

__all__ = ["TOGETHER", "in_threads", "one_blas_thread", "threads"]

TOGETHER = 16  # queries that share a pass over the database: their counts stay in the first-level cache


def in_threads(work: Callable[[slice], None], count: int, together: int = TOGETHER) -> None:
    """Do work on a number of queries or items, a few at a time, in as many threads as :func:`threads` says.

    Somewhat fewer are taken at a time where all threads then end together.

    Args:
        work: see :func:`chunked`.
        count: how many queries or items there are.
        together: how many are taken at a time at most.

    Example:
        >>> seen = []
        >>> in_threads(seen.append, 20)
        >>> sum(part.stop - part.start for part in seen)
        20
    """
    workers = threads()
    turns = max(1, -(-count // (together * workers)))
    chunked(work, count, max(1, -(-count // (turns * workers))), workers)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold back the threads of the BLAS libraries loaded so far, for one caller at a time.

    How many they take is a setting of the process: of two callers at once the second would find 1, and leave it so for good.
    """
    with _turn(os.getpid()), _libraries().limit(limits=1, user_api="blas"):
        yield


@cache
def _turn(process: int) -> threading.Lock:
    """Return the lock of this process; another that it was forked from may hold its own just then."""
    return threading.Lock()


@cache
def _libraries() -> ThreadpoolController:
    """Return what holds back the threads of the libraries loaded so far; finding them takes milliseconds."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
