"""A directory for new results, before they replace earlier ones."""

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
    """Yield a directory beside the results for new ones, to move into place once all are complete: a full disk costs no earlier result.

    It is removed at the end. Directories of killed processes are removed the next time, because their locks ended with them.

    Args:
        folder: the directory of the results; it is created.

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
    with _alone(new):  # from before the directory is there, so that no other process takes it for an abandoned one
        new.mkdir()
        yield new


@contextmanager
def _alone(new: Path) -> Iterator[None]:
    """Hold the lock of a directory of new results, and remove both at the end.

    Raises:
        RunError: if another process holds it.
    """
    lock = new.with_suffix(".lock")
    with only_process(lock, wait=0):
        try:
            yield
        finally:
            shutil.rmtree(new, ignore_errors=True)
            lock.unlink(missing_ok=True)
