"""Deferral of Ctrl-C through steps that must not be interrupted."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def defer_interrupts() -> Iterator[None]:
    """Defer a first Ctrl-C (SIGINT) or SIGTERM to the end of the block; a second one takes effect at once.

    Three steps need it. A fork runs functions that libraries left with :func:`os.register_at_fork`; an exception in one is written to
    the terminal and lost. While PyTorch is imported its C++ calls Python; an exception there may abort the process. And where PyTorch
    writes a checkpoint, it replaces an exception by one of its own.
    A process that is forked meanwhile ignores Ctrl-C, which its parent sees too, and ends by SIGTERM as it would have.

    Example:
        >>> with defer_interrupts():
        ...     import torch
    """
    if threading.current_thread() is not threading.main_thread():  # only the main thread receives signals and may set handlers
        yield
        return
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    deferred: list[int] = []
    process = os.getpid()

    def defer(number: int, frame: FrameType | None) -> None:
        forked = os.getpid() != process
        if forked and number == signal.SIGINT:
            return
        if not forked and not deferred:
            deferred.append(number)
            return
        handler = previous[signal.Signals(number)]
        assert callable(handler)
        handler(number, frame)

    for number, handler in previous.items():
        if callable(handler):  # the system's own handling runs without Python and needs no deferral
            signal.signal(number, defer)
    try:
        yield
    finally:
        for number, handler in previous.items():
            if callable(handler):
                signal.signal(number, handler)
        for deferral in deferred:
            signal.raise_signal(deferral)
