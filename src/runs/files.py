"""Atomic writes, and locks between processes."""

from __future__ import annotations

import csv
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import RunError


@contextmanager
def only_process(lock: Path, *, wait: float = -1, busy: str = "") -> Iterator[None]:
    """Run the block in one process at a time.

    Args:
        lock: the lock file; it is created with its directory, and stays.
        wait: seconds to wait for another process; below 0 without limit.
        busy: message of the error after that.

    Raises:
        RunError: if another process holds the lock for longer.

    Example:
        >>> import tempfile
        >>> lock = Path(tempfile.mkdtemp()) / ".lock"
        >>> with only_process(lock), only_process(lock, wait=0, busy="another process is at work"):
        ...     pass
        Traceback (most recent call last):
            ...
        biodeephashing.errors.RunError: another process is at work
    """
    from filelock import FileLock, Timeout  # inference with an exported network writes a file, and does without this package

    lock.parent.mkdir(parents=True, exist_ok=True)
    held = FileLock(lock)
    try:
        held.acquire(timeout=wait)
    except Timeout as error:
        raise RunError(busy or f"another process holds {lock}") from error
    try:
        yield
    finally:
        held.release()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside a file, and rename it to the file only if the block succeeds.

    Args:
        path: the file to write or replace; its directory is created.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "a" / "b.txt"
        >>> with replacing(target) as temporary:
        ...     _ = temporary.write_text("whole")
        >>> target.read_text()
        'whole'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".", suffix=f".{path.name}"[-60:], dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())  # mkstemp creates files that only their owner can read
        temporary.replace(path)
    except OSError as error:
        if error.errno == errno.ENOSPC and error.filename is None:  # errors of writing to an open file carry no name
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """Give an empty hidden directory beside another one and rename it into place only if the block succeeds; one process at a time.

    What it replaces stays usable until then; after a process that was killed, :func:`recover` or the next call tidies up.

    Args:
        folder: the directory to write or replace.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "a"
        >>> with replacing_folder(target) as temporary:
        ...     _ = (temporary / "b.txt").write_text("whole")
        >>> [path.name for path in target.iterdir()], [path.name for path in target.parent.iterdir()]
        (['b.txt'], ['a'])
    """
    recover(folder)
    new, old = _beside(folder)
    try:
        new.mkdir(parents=True)
        yield new
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
    finally:
        recover(folder)


def recover(folder: Path) -> None:
    """Bring back what :func:`replacing_folder` was about to replace if nothing has, and remove what is left over."""
    new, old = _beside(folder)
    if old.exists() and not folder.exists():
        old.rename(folder)
    for path in (new, old):
        if path.is_symlink():
            path.unlink()  # what a link leads to was never ours
        elif path.exists():
            shutil.rmtree(path)


def _beside(folder: Path) -> tuple[Path, Path]:
    return folder.with_name(f".{folder.name}.new"), folder.with_name(f".{folder.name}.old")


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV table atomically; None is an empty cell."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def write_json(path: Path, content: Mapping[str, Any], *, indent: int = 1) -> None:
    """Write a JSON file atomically."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=indent) + "\n", "utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        RunError: if the file is missing or holds something else.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise RunError(f"{path} is missing: has the run been trained?") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RunError(f"{path} is damaged: {error}") from error
    if not isinstance(content, dict):
        raise RunError(f"{path} is damaged: it does not hold a JSON object")
    return content


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
