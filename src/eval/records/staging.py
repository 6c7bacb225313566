"""Where new results are made before they take the places of earlier ones."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

_PREFIX = ".new-"


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """Give a folder beside results for new ones, which take their places when all are there: a full disk costs none of the old.

    It is gone at the end. What a process left that was killed goes the next time that nobody else makes results here.

    Args:
        folder: where the results lie; it is made.

    Example:
        >>> import tempfile
        >>> results = Path(tempfile.mkdtemp()) / "results"
        >>> with staging(results) as new:
        ...     _ = (new / "numbers.json").write_text("{}")
        ...     _ = (new / "numbers.json").replace(results / "numbers.json")
        >>> [path.name for path in results.iterdir()]
        ['numbers.json']
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _in_use(folder), TemporaryDirectory(prefix=_PREFIX, dir=folder) as name:
        yield Path(name)


@contextmanager
def _in_use(folder: Path) -> Iterator[None]:
    """Clear away what was left behind if nobody uses a folder, and let others know from then on that somebody does.

    A lock ends with its process, however that ends: who can have a folder alone knows that all in it are dead.
    """
    if sys.platform == "win32":  # folders have no locks there
        yield
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # somebody uses it; or the file system has no locks: nobody can say what is dead, so nobody clears away
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for left in folder.glob(f"{_PREFIX}*"):
                shutil.rmtree(left, ignore_errors=True)
        with suppress(OSError):  # no locks here
            fcntl.flock(handle, fcntl.LOCK_SH)  # nothing of our own is there yet, should another clear away before we have it
        yield
    finally:
        os.close(handle)
