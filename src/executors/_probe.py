"""What every node of a cluster must agree in with the process that hands out the work: versions, and the project root."""

from __future__ import annotations

import platform
import secrets
import shutil
import socket
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from .. import __version__
from ..errors import RunError
from ..runs import experiments_folder, home, only_process
from ..tracking import git_commit

VERSIONS = {"python": "Python", "package": "biodeephashing", "commit": "the commit of biodeephashing", "torch": "PyTorch"}
UNKNOWN = "unknown"  # commit of an installed package, or of a checkout on a node without git


@dataclass(frozen=True)
class Facts:
    """What a node knows of itself.

    Args:
        host: the name of its machine.
        python: its version of Python, to the patch release.
        package: version of this package.
        commit: its commit, or "unknown".
        torch: version of PyTorch.
        home: the project root.
        free: bytes that can still be written there.
        word: what it reads in the file that the process that asks wrote into the project root; "" if there is none.
        locks_reach: whether it sees the lock that the process that asks holds.
    """

    host: str
    python: str
    package: str
    commit: str
    torch: str
    home: str
    free: int
    word: str
    locks_reach: bool


@contextmanager
def shared_word() -> Iterator[tuple[str, str]]:
    """Write a random word into the project root and lock its file during the block; yields the name of the file and the word."""
    word = secrets.token_hex(8)
    file = experiments_folder() / f".word-{word}"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(word, "ascii")
    try:
        with only_process(_lock_of(file)):
            yield file.name, word
    finally:
        file.unlink()
        _lock_of(file).unlink(missing_ok=True)


def look(file_name: str) -> Facts:
    """Return the facts about the node that this function runs on.

    Args:
        file_name: the file of :func:`shared_word`.
    """
    file = experiments_folder() / file_name
    word = file.read_text("ascii") if file.is_file() else ""
    return Facts(
        host=socket.gethostname(),
        python=platform.python_version(),
        package=__version__,
        commit=git_commit(),
        torch=version("torch"),
        home=str(home()),
        free=shutil.disk_usage(home()).free if home().is_dir() else 0,
        word=word,
        locks_reach=bool(word) and _is_locked(_lock_of(file)),
    )


def check_agreement(here: Facts, nodes: Sequence[Facts], word: str) -> None:
    """Refuse nodes with other versions or another project root, and warn of locks that do not reach them.

    Args:
        here: the facts about the process that hands out the work.
        nodes: those about each node.
        word: the word that all of them must have read.

    Raises:
        RunError: naming the nodes, what differs and what to do.
    """
    for name, title in VERSIONS.items():
        own = getattr(here, name)
        other = {node.host: getattr(node, name) for node in nodes if getattr(node, name) not in (own, UNKNOWN)}
        if other and own != UNKNOWN:
            listing = ", ".join(f"{version} on {host}" for host, version in other.items())
            raise RunError(f"{title} is {own} here, but {listing}: install the same one on all nodes")
    strangers = [node.host for node in nodes if node.word != word]
    if strangers:
        raise RunError(
            f"{', '.join(strangers)}: the project root {here.home} is not the same folder there: BIODEEPHASHING_HOME must be on storage "
            f"that all nodes share, under the same path"
        )
    if deaf := [node.host for node in nodes if not node.locks_reach]:
        warnings.warn(
            f"locks of {here.home} do not reach {', '.join(deaf)}: two commands could train the same run at once; see docs/scale.md",
            stacklevel=2,
        )


def _lock_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.lock")


def _is_locked(lock: Path) -> bool:
    try:
        with only_process(lock, wait=0):
            return False
    except RunError:
        return True
