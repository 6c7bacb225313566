"""Ctrl-C in moments that must not be cut through: it is held back until they are over."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def held_back() -> Iterator[None]:
    """Hold back a first Ctrl-C (SIGINT) or SIGTERM until the end; a second one is not.

    Three moments need it. A fork runs functions that libraries left with :func:`os.register_at_fork`; an exception in one is written to
    the terminal and lost. While PyTorch is imported its C++ calls Python; an exception there may abort the process. And where PyTorch
    writes a checkpoint, it replaces an exception by one of its own.
    A process that is forked meanwhile ignores Ctrl-C, which its parent sees too, and ends by SIGTERM as it would have.

    Example:
        >>> with held_back():
        ...     import torch
    """
    if threading.current_thread() is not threading.main_thread():  # no other thread sees signals, or may say what they do
        yield
        return
    usual = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    held: list[int] = []
    here = os.getpid()

    def hold(number: int, frame: FrameType | None) -> None:
        forked = os.getpid() != here
        if forked and number == signal.SIGINT:
            return
        if not forked and not held:
            held.append(number)
            return
        handler = usual[signal.Signals(number)]
        assert callable(handler)
        handler(number, frame)

    for number, handler in usual.items():
        if callable(handler):  # what the system does by itself needs no Python, and cannot get lost
            signal.signal(number, hold)
    try:
        yield
    finally:
        for number, handler in usual.items():
            if callable(handler):
                signal.signal(number, handler)
        for came in held:
            signal.raise_signal(came)
