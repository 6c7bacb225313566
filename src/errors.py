"""Errors for people: what was wrong, where, and what to do; and the guard that turns them into an exit status."""

from __future__ import annotations

import difflib
import errno
import os
import re
import signal
import sys
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from .surroundings import settle

INTERRUPTED = 130


class BioDeepHashingError(Exception):
    """Base of every error this package raises on purpose; the message says how to fix the cause."""

    exit_status = 1


class UsageError(BioDeepHashingError):
    """A setting, flag or argument that cannot be used."""

    exit_status = 2


class UnknownNameError(UsageError, KeyError):
    """A name that no registry entry carries; the text proposes the nearest one and lists all."""

    def __str__(self) -> str:  # KeyError would print the quoted representation
        return str(self.args[0])


class DataError(BioDeepHashingError):
    """A dataset, metadata line, image or archive that is missing or damaged."""


class RunError(BioDeepHashingError):
    """A run directory, checkpoint or code file that is missing, damaged or belongs elsewhere."""


class RuleError(BioDeepHashingError):
    """A module that a learning rule cannot be applied to."""


class TrackingError(BioDeepHashingError):
    """An MLflow store that cannot be reached or written."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name a misspelt one most likely meant, or None.

    Args:
        name: what was written.
        known: the legal names.

    Example:
        >>> nearest("frfs", ["bp", "fa", "frsf", "usf"])
        'frsf'
    """
    lowered = name.lower()

    def likeness(candidate: str) -> tuple[float, int]:
        in_order = difflib.SequenceMatcher(None, candidate.lower(), lowered).ratio()
        return in_order, (Counter(candidate.lower()) & Counter(lowered)).total()  # swapped letters are the likelier slip

    best = max(sorted(known, reverse=True), key=likeness, default=None)
    return best if best is not None and likeness(best)[0] >= 0.4 else None


def unknown_name(kind: str, name: str, known: Iterable[str], besides: Iterable[str] = ()) -> UnknownNameError:
    """Build the error for a name that is not known.

    Args:
        kind: what the name stands for ("loss", "learning rule", ...).
        name: what was written.
        known: the legal names.
        besides: further legal names, too many to list them; one of them may be what was meant.

    Example:
        >>> print(unknown_name("loss", "DHC", ["DCH", "DSH"]))
        unknown loss 'DHC': did you mean 'DCH'? Known: DCH, DSH.
    """
    names = sorted(known, key=lambda name: (name.lower(), name))
    guess = nearest(name, [*names, *besides])
    hint = f": did you mean {guess!r}?" if guess else "."
    listing = ", ".join(names) if names else "none"
    return UnknownNameError(f"unknown {kind} {name!r}{hint} Known: {listing}.")


def describe(error: BaseException) -> str:
    """Return the one message a person should read for an error, without any traceback.

    A data-loading worker hands its error over as text with the worker's whole traceback in front of the message;
    only the message is for people.
    """
    text = str(error)
    if "Original Traceback" in text:
        text = text.rstrip().rpartition(f"{type(error).__name__}: ")[2]
    return text


def cuda_oom_hint(error: BaseException) -> str | None:
    """Return a hint for a GPU that ran out of memory, or None for any other error.

    Example:
        >>> cuda_oom_hint(RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 1.00 GiB"))[:56]
        'the GPU has too little free memory (2.00 GiB more needed'
        >>> cuda_oom_hint(RuntimeError("shapes cannot be multiplied")) is None
        True
    """
    match = re.search(r"\b(?:CUDA|HIP)(?: error:)? out of memory(?:\. Tried to allocate ([\d.]+ \w+))?", str(error))
    if match is None:
        return None
    amount = f" ({match[1]} more needed)" if match[1] else ""
    return (
        f"the GPU has too little free memory{amount}: a smaller -bs in training or -pbs in predicting needs less, fewer -jobs "
        f"or other programs leave more, and -device cpu needs none; the same command goes on from the last finished epoch or file"
    )


def guard(command: Callable[[], object]) -> int:
    """Run a command and return its exit status, printing errors meant for people instead of tracebacks.

    Args:
        command: the work; an integer it returns is the exit status, anything else counts as success.

    Returns:
        0 after success, the error's own status after a :class:`BioDeepHashingError`, 130 after Ctrl-C or SIGTERM,
        1 when the disk or the memory of a GPU is full, or a file cannot be read or written.
        Any other exception is a defect of this package and keeps its traceback.

    Example:
        >>> guard(lambda: None)
        0
    """
    try:
        settle()
        with _terminated_like_ctrl_c(), plain_warnings():
            status = command()
    except BioDeepHashingError as error:
        return _say(describe(error), error.exit_status)
    except KeyboardInterrupt:
        return _say("interrupted; the same command goes on from the last finished epoch or file", INTERRUPTED)
    except OSError as error:
        return _say(explain_os_error(error), 1)
    except RuntimeError as error:
        if "DataLoader worker" in str(error):
            return _say(f"{error} A process that decodes images was ended from outside; if memory ran out, use a smaller -nw", 1)
        if (complaint := cuda_oom_hint(error)) is not None:
            return _say(complaint, 1)
        if (cause := _full_disk_behind(error)) is None:
            raise
        return _say(explain_os_error(cause), 1)
    return status if isinstance(status, int) else 0


@contextmanager
def _terminated_like_ctrl_c() -> Iterator[None]:
    def interrupt(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # no other thread may install handlers
        yield
        return
    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if previous is None else previous)


@contextmanager
def plain_warnings(source: str = "") -> Iterator[None]:
    """Show this package's warnings like its errors: the message without the line of code that issued it.

    Args:
        source: what the warnings are about, written before each message.

    Example:
        >>> with plain_warnings("mode=fa: "):
        ...     print(warnings.formatwarning("no cache", UserWarning, __file__, 7), end="")
        warning: mode=fa: no cache
    """
    usual, package = warnings.formatwarning, os.path.dirname(__file__)  # noqa: PTH120 - a warning's file is a string

    def plain(message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None) -> str:
        own = filename.startswith(package + os.sep)
        return f"warning: {source}{message}\n" if own else usual(message, category, filename, lineno, line)

    warnings.formatwarning = plain
    try:
        yield
    finally:
        warnings.formatwarning = usual


def _full_disk_behind(error: BaseException | None) -> OSError | None:
    """Return the full disk that an error grew out of: a writer may fail once more while it closes its file."""
    while error is not None:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            return error
        error = error.__cause__ or error.__context__
    return None


def explain_os_error(error: OSError) -> str:
    """Return the one message a person should read for a file that cannot be read or written.

    Example:
        >>> explain_os_error(OSError(errno.ENOSPC, "No space left on device", "codes.npy"))[:31]
        'the disk is full (codes.npy); f'
    """
    path = error.filename2 or error.filename  # of two files, as in copying, the second is the one that is written
    where = f" ({path})" if path else ""
    text = describe(error)
    number = error.errno
    # A data-loading worker hands over nothing but text.
    if number is None and (match := re.match(r"\[Errno (\d+)\] [^:]*(?:: (?:.* -> )?'(.*)')?$", text)):
        number, where = int(match[1]), f" ({match[2]})" if match[2] else ""
    if number == errno.ENOSPC:
        return f"the disk is full{where}; free some space and run the same command again: finished files were kept"
    if number == errno.EISDIR:
        return f"there is a directory where a file is needed{where}: move it away, or name a file"
    if number in (errno.EACCES, errno.EROFS, errno.EPERM):
        return f"no permission to read or write{where}: {os.strerror(number)}"
    return text


def _say(message: str, status: int) -> int:
    print(f"error: {message}" if status != INTERRUPTED else message, file=sys.stderr)
    return status
