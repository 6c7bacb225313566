"""The surroundings of a process: standard streams and home directory, which may be missing, and the processes started with it."""

from __future__ import annotations

import errno
import io
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# What writing to a reader that went away raises: a pipe (`| head`), a connection, a terminal that was closed.
_GONE = (errno.EPIPE, errno.ECONNRESET, errno.EIO)


@dataclass(frozen=True)
class Launch:
    """Which one a process is of those that were started to train together.

    Args:
        by: the command that started them, "torchrun" or "srun"; empty for a process that was started alone.
        rank: its number; rank 0 leads.
        size: how many they are.
        here: how many of them run on this machine; 0 where the machines of ``srun`` have different numbers.
    """

    by: str = ""
    rank: int = 0
    size: int = 1
    here: int = 1


def launch() -> Launch:
    """Return who started this process, by the environment that ``torchrun`` and Slurm's ``srun`` give it.

    A job of several tasks whose script starts Python without ``srun`` has one process: it counts as started alone.

    Example:
        >>> launch()
        Launch(by='', rank=0, size=1, here=1)
    """
    given = os.environ
    if "TORCHELASTIC_RUN_ID" in given:
        return Launch("torchrun", int(given["RANK"]), int(given["WORLD_SIZE"]), int(given["LOCAL_WORLD_SIZE"]))
    if "SLURM_STEP_ID" in given and int(given.get("SLURM_NTASKS", "1")) > 1:
        even = re.fullmatch(r"(\d+)(\(x\d+\))?", given.get("SLURM_STEP_TASKS_PER_NODE", ""))  # 4(x2): four on each of two machines
        return Launch("srun", int(given["SLURM_PROCID"]), int(given["SLURM_NTASKS"]), int(even[1]) if even else 0)
    return Launch()


def has_terminal() -> bool:
    """Return whether standard error is a terminal: progress bars belong on a terminal, not in a log file.

    Example:
        >>> isinstance(has_terminal(), bool)
        True
    """
    return sys.stderr is not None and sys.stderr.isatty()


def settle() -> None:
    """Make the standard streams and the home directory of this process usable to the end of its work.

    A stream that was closed (``2>&-``) leads to the null device, under the number it would have: otherwise the next file that is opened
    gets that number, and what C libraries and child processes write to standard error lands in it.
    Where the reader of a stream goes away, the lines are lost and the work goes on: it ends with the files and the exit status that it
    would have had with a reader, for a command that only prints as for one that trains for a week.
    A process without a home directory to keep caches in gets one among the temporary files, as ``HOME``: MLflow cannot be imported
    without, and Matplotlib, Numba and the weights of torchvision are to be there for the next command.

    Raises:
        OSError: if there is no directory for temporary files either.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, _null_device("w" if number else "r"))
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is getattr(sys, f"__{name}__") and isinstance(stream, io.TextIOWrapper):
            setattr(sys, name, _lasting(stream))
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A log file should grow while the work goes on, and a name that a terminal cannot show should not end it.
        sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")
    _lend_home()


def stand_alone() -> None:
    """Make this process count as started alone: ``srun ray start`` hands its own launch down to all processes of a node."""
    for name in ("TORCHELASTIC_RUN_ID", "SLURM_STEP_ID"):
        os.environ.pop(name, None)


@contextmanager
def redirected_libraries(log: Path) -> Iterator[None]:
    """Let what C libraries and child processes write to standard error go to a file during the block; Python writes where it did.

    Args:
        log: the file, which is added to.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    usual, terminal = sys.stderr, os.dup(2)
    usual.flush()
    with log.open("ab") as file:
        os.dup2(file.fileno(), 2)
    try:
        with os.fdopen(terminal, "w", encoding=usual.encoding, errors=usual.errors) as stream:
            if _leads_to(usual, 2):
                sys.stderr = _lasting(stream)
            try:
                yield
            finally:
                sys.stderr.flush()
                os.dup2(terminal, 2)
    finally:
        sys.stderr = usual


def _leads_to(stream: Any, number: int) -> bool:
    try:
        return bool(stream.fileno() == number)
    except io.UnsupportedOperation:  # it collects what is written
        return False


def _lend_home() -> None:
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - Path.home() raises for a container's user without HOME and passwd entry
    if home.is_absolute() and (os.access(home, os.W_OK) or os.access(home / ".cache", os.R_OK)):
        return
    own = Path(tempfile.gettempdir()) / f"biodeephashing-{os.getuid()}"
    own.mkdir(mode=0o700, exist_ok=True)
    if own.is_symlink() or own.stat().st_uid != os.getuid():  # made by somebody else, who could read and change what is in it
        own = Path(tempfile.mkdtemp(prefix=own.name))
    os.environ["HOME"] = str(own)


def _null_device(mode: str) -> Any:
    number = os.open(os.devnull, os.O_RDWR)  # the lowest that is free
    os.set_inheritable(number, True)
    return os.fdopen(number, mode, encoding="utf-8")


def _lasting(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    stream.flush()
    raw = io.FileIO(stream.fileno(), "w", closefd=False)
    return _Lasting(io.BufferedWriter(raw), stream.encoding, stream.errors, line_buffering=True)


class _Lasting(io.TextIOWrapper):
    """A stream that leads to the null device once nothing can be written to it, for C libraries and child processes too.

    It is not the file below that does so: Ctrl-C between its write and the end of that of the buffer would have the line written twice.

    Raises:
        OSError: once, unless its reader went away.
    """

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError as error:
            self._give_up(error)
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self.fileno())
        os.close(null)
        super().flush()  # what is left
        if error.errno not in _GONE:
            raise error
