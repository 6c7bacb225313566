"""The store that MLflow writes to: a database under ``experiments/``, or whatever ``MLFLOW_TRACKING_URI`` names."""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import socket
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import requests
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy import URL, make_url
from sqlalchemy.exc import SQLAlchemyError

from ..errors import TrackingError
from ..runs import experiments_folder, home, only_process
from . import URI_VARIABLE

_PATIENCE = 5  # seconds until a server counts as unreachable
_WAIT = 120  # seconds to wait for another process that writes


class Store:
    """The MLflow store, and the lock that lets one process at a time write to a store in a file.

    Several processes that create the tables of a fresh store together crash, and SQLite gives up on a transaction that
    another writer has overtaken.
    """

    def __init__(self) -> None:
        named = os.environ.get(URI_VARIABLE)
        self.embedded = not named
        self.public_uri = without_password(named) if named else f"sqlite:///{store_file().relative_to(_root()).as_posix()}"
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._uri = named or _sqlite_uri(store_file(), timeout=str(_WAIT))
        _check_reachable(self._uri)

    @contextmanager
    def writing(self) -> Iterator[MlflowClient]:
        """Yield a client in one process at a time; the first one creates the tables."""
        lock = experiments_folder() / "mlflow.lock"
        try:
            with only_process(lock, wait=_WAIT, busy=f"another process has held {lock} for {_WAIT} s; end it, or use -tracking off"):
                yield MlflowClient(self._uri)
        except (MlflowException, SQLAlchemyError) as error:
            first = str(error).splitlines()[0]
            raise TrackingError(f"the MLflow store {self.public_uri} refused: {first}; repair it, or use -tracking off") from error


def _root() -> Path:
    return Path(os.path.abspath(home()))  # noqa: PTH100 - links are kept: they are how people mount large disks


def store_file() -> Path:
    """Return the file of the embedded store."""
    return Path(os.path.abspath(experiments_folder())) / "mlflow.db"  # noqa: PTH100


def has_no_store() -> bool:
    """Return whether nothing was ever tracked: reading must not create a store."""
    return not os.environ.get(URI_VARIABLE) and not store_file().exists()


def how_to_open() -> str:
    """Return the command that opens the MLflow page, or the address of the page."""
    uri = os.environ.get(URI_VARIABLE)
    if uri and urlsplit(uri).scheme.startswith("http"):
        return f"the MLflow page is at {without_password(uri)}"
    if not uri:
        file = store_file()
        uri = _sqlite_uri(file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file)
    python = Path(sys.executable)
    python = python.relative_to(Path.cwd()) if python.is_relative_to(Path.cwd()) else python
    command = ["mlflow"] if shutil.which("mlflow") else [str(python), "-m", "mlflow"]
    return shlex.join([*command, "ui", "--backend-store-uri", without_password(uri)])


def _sqlite_uri(file: Path, **options: str) -> str:
    """Return the address of a database file; what means something in an address, as ``%`` and ``?`` do, is quoted."""
    address = URL.create("sqlite", database=file.as_posix(), query=options)
    if "%" in address.render_as_string():  # after a bare sqlite:///, MLflow makes the directory as it is quoted: beside the right one
        address = address.set(drivername="sqlite+pysqlite")
    uri = address.render_as_string()
    if make_url(uri).database != file.as_posix():
        raise TrackingError(f"SQLAlchemy before 2.1 opens no {file}: update it, use a project root without '?', or -tracking off")
    return uri


def without_password(uri: str) -> str:
    """Return an address without the user and password in it.

    Example:
        >>> without_password("https://ann:secret@example.org/mlflow")
        'https://example.org/mlflow'
    """
    parts = urlsplit(uri)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if "@" in parts.netloc else uri


def _check_reachable(uri: str) -> None:
    """Ask a server once, briefly, and look at a database file, before MLflow retries either for minutes."""
    parts, where = urlsplit(uri), without_password(uri).partition("?")[0]
    try:
        if parts.scheme in ("http", "https"):
            requests.get(uri.rstrip("/") + "/health", timeout=_PATIENCE)
        elif parts.hostname and parts.port:
            socket.create_connection((parts.hostname, parts.port), timeout=_PATIENCE).close()
        elif parts.scheme.startswith("sqlite") and Path(where := make_url(uri).database or "").is_file():
            with closing(sqlite3.connect(where, timeout=_WAIT)) as connection:
                connection.execute("PRAGMA schema_version")
    except (OSError, sqlite3.DatabaseError) as error:
        advice = f"correct {URI_VARIABLE}" if os.environ.get(URI_VARIABLE) else "move that file away"
        raise TrackingError(f"the MLflow store {where} cannot be reached ({error}): {advice}, or use -tracking off") from error
