"""Where new results are made before they take the places of earlier ones."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ...errors import RunError
from ...runs import only_process

_PREFIX = ".new-"


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """Give a directory beside results for new ones, which take their places when all are there: a full disk costs none of the old.

    It is gone at the end. What a process left that was killed goes the next time that results are made here: the lock of a process
    ends with it.

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
    for left in {path.with_suffix("") for path in folder.glob(f"{_PREFIX}*")}:
        with suppress(RunError), _alone(left):  # a process at work
            pass
    new = folder / f"{_PREFIX}{secrets.token_hex(4)}"
    with _alone(new):  # from before the directory is there, so that nobody takes it for left behind
        new.mkdir()
        yield new


@contextmanager
def _alone(new: Path) -> Iterator[None]:
    """Hold the lock of a directory of new results, and remove both at the end.

    Raises:
        RunError: when another process holds it.
    """
    lock = new.with_suffix(".lock")
    with only_process(lock, wait=0):
        try:
            yield
        finally:
            shutil.rmtree(new, ignore_errors=True)
            lock.unlink(missing_ok=True)
