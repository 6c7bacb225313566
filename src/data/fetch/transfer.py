"""Downloading a file over HTTP: resumed, checked, and never half there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from tqdm import tqdm

from ...checksums import CHUNK, digest
from ...errors import DataError, UsageError
from ...surroundings import has_terminal

Item = TypeVar("Item")
Result = TypeVar("Result")

BAD_ADDRESS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    requests.exceptions.TooManyRedirects,
)
RETRY_STATUSES = (408, 425, 429, 500, 502, 503, 504)
_TRIES = 4  # attempts in a row that bring no further bytes


class ResumableError(Exception):
    """A transfer that may be resumed."""


TEMPORARY = (requests.RequestException, urllib3.exceptions.HTTPError, ResumableError)


@dataclass(frozen=True)
class DownloadRequest:
    """A file to download.

    Args:
        url: its address.
        target: its file on disk; the directory is created.
        md5: its checksum; None if nobody published one: then its length must be the announced one.
        limit: most bytes to accept.
    """

    url: str
    target: Path
    md5: str | None = None
    limit: int = 1 << 28

    @property
    def part(self) -> Path:
        """File that holds what has arrived so far."""
        return self.target.with_name(f"{self.target.name}.part")

    def failed(self, why: str) -> DataError:
        """Return the error for a file that cannot be downloaded; it says how to do without."""
        size = size_of(self.part)
        resume = f" ({size:,} bytes have arrived; the same command resumes there)" if size else ""
        return DataError(
            f"cannot download {self.url}: {why}{resume}. Without a network, fetch {self.target.name} elsewhere, put it at {self.target} "
            f"and run the same command again; -from PATH takes it from another directory, -url URL from a mirror"
        )


def fetch_all(requests: Sequence[DownloadRequest], *, connections: int = 4, pause: float = 1.0, timeout: float = 30.0) -> None:
    """Download several files, some of them at once; see :func:`fetch`.

    Args:
        requests: the files.
        connections: most files at a time.
        pause: seconds before the second attempt.
        timeout: seconds to wait for a server.

    Raises:
        UsageError: if an address is not one of a file, or there are no connections.
        DataError: if a file cannot be downloaded or has another checksum; what has arrived of the others is preserved.
    """
    stop = threading.Event()
    for _ in in_parallel(lambda request: fetch(request, pause=pause, timeout=timeout, stop=stop), requests, connections, stop=stop):
        pass


def in_parallel(
    work: Callable[[Item], Result], items: Iterable[Item], connections: int, *, stop: threading.Event
) -> Iterator[tuple[Item, Result]]:
    """Apply a function to many items in threads, and yield each item with its result as soon as it is done.

    Args:
        work: the function; it should end early once ``stop`` is set.
        items: any number of items; they are taken as they are needed.
        connections: number of threads.
        stop: set after an error, an interrupt, or when the iteration ends early.

    Raises:
        UsageError: for less than one connection.

    Example:
        >>> sorted(in_parallel(abs, [-2, 3, -1], 2, stop=threading.Event()))
        [(-2, 2), (-1, 1), (3, 3)]
    """
    if connections < 1:
        raise UsageError(f"{connections} connections cannot download anything: at least 1 is needed")
    rest = iter(items)
    with ThreadPoolExecutor(connections) as pool:
        running: dict[Future[Result], Item] = {}
        try:
            while True:
                running |= {pool.submit(work, item): item for item in islice(rest, 2 * connections - len(running))}
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(future), future.result()
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def fetch(request: DownloadRequest, *, pause: float = 1.0, timeout: float = 30.0, stop: threading.Event | None = None) -> None:
    """Download a file, resuming where an earlier attempt stopped.

    What arrives lies in ``<target>.part``. It is renamed once its checksum or, without one, its length is right.

    Args:
        request: the file.
        pause: seconds before the second attempt without progress; doubled each time.
        timeout: seconds to wait for a connection or for more bytes.
        stop: ends the transfer when it is set.

    Raises:
        UsageError: if the address is not one of a file.
        DataError: if the file cannot be downloaded, is too large, or has another checksum.
    """
    part, stop, failures = request.part, stop or threading.Event(), 0
    part.parent.mkdir(parents=True, exist_ok=True)
    resumed = size_of(part) > 0
    while True:
        before = size_of(part)
        try:
            _transfer(request, timeout, stop)
            break
        except BAD_ADDRESS as error:
            raise UsageError(
                f"{request.url} is not an address to download from, as https://... is (-from takes what is on disk): {error}"
            ) from error
        except TEMPORARY as error:
            failures = 0 if size_of(part) > before else failures + 1
            if failures == _TRIES:
                raise request.failed(reason(error)) from error
            if stop.wait(pause * 2 ** max(failures - 1, 0)):
                raise KeyboardInterrupt from error
    if request.md5 and (actual := digest(part, "md5")) != request.md5:
        part.unlink()
        if not resumed:
            raise request.failed(f"it is not the published file (its MD5 is {actual}, not {request.md5})")
        return fetch(request, pause=pause, timeout=timeout, stop=stop)  # the first bytes may stem from another file: once more
    part.replace(request.target)
    return None


class Session(requests.Session):
    """A session that follows no redirection to anything but a web server, nor from an encrypted to an open connection."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return where an answer redirects to.

        Raises:
            DataError: if that is not to be followed.
        """
        target = super().get_redirect_target(resp)
        if target is not None:
            old, new = urlsplit(resp.url).scheme, urlsplit(urljoin(resp.url, target)).scheme
            if new not in ("http", "https") or (old, new) == ("https", "http"):
                raise DataError(f"{resp.url} redirects to {target}, which is not followed: it leaves {old} for {new}")
        return target


def is_web_page(response: requests.Response) -> bool:
    """Return whether an answer is a page for people, which stands where a file was."""
    return response.headers.get("Content-Type", "").partition(";")[0].strip().lower() in ("text/html", "application/xhtml+xml")


def announced_length(response: requests.Response) -> int | None:
    """Return the length an answer announces for itself [bytes], or None."""
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdigit() else None


def size_of(path: Path) -> int:
    """Return the length of a file, 0 if there is none."""
    return path.stat().st_size if path.exists() else 0


def reason(error: BaseException) -> str:
    """Return the innermost cause, which is the part of a network error that explains it."""
    while isinstance(error.args[0] if error.args else None, Exception) or getattr(error, "reason", None):
        inner = getattr(error, "reason", None) or error.args[0]
        if not isinstance(inner, Exception):
            break
        error = inner
    if len(error.args) == 2 and isinstance(error.args[0], str) and isinstance(error.args[1], Exception):
        words, cause = error.args[0], reason(error.args[1])
        return words if cause in words else f"{words.rstrip('.')}: {cause}"
    return str(error)


def _transfer(request: DownloadRequest, timeout: float, stop: threading.Event) -> None:
    """Append to the part what it lacks; write it anew if the server cannot resume."""
    part, start = request.part, size_of(request.part)
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with Session() as session, session.get(request.url, headers=headers, stream=True, timeout=timeout) as response:
        sent = response.headers.get("Content-Range", "").removeprefix("bytes ")
        if response.status_code == 416 and (request.md5 or sent.rpartition("/")[2] == str(start)):
            return  # nothing is missing
        if response.status_code == 416 or (response.status_code == 206 and not sent.startswith(f"{start}-")):
            part.unlink(missing_ok=True)
            raise ResumableError("what has arrived is not a part of the file on the server")
        if response.status_code in RETRY_STATUSES:
            raise ResumableError(f"the server answered {response.status_code} {response.reason}")
        if response.status_code not in (200, 206):
            raise request.failed(f"the server answered {response.status_code} {response.reason}")
        if is_web_page(response):
            raise request.failed("the server sent a web page in place of the file")
        start = start if response.status_code == 206 else 0
        length = announced_length(response)
        # Chunks say themselves where they end; without them and without a length nobody can.
        if length is None and request.md5 is None and not getattr(response.raw, "chunked", False):
            raise request.failed("the server does not say how long it is, so a part could pass for the whole")
        _write(response, request, start, None if length is None else start + length, stop)


def _write(response: requests.Response, request: DownloadRequest, start: int, total: int | None, stop: threading.Event) -> None:
    part = request.part
    with (
        part.open("ab" if start else "wb") as stream,
        tqdm(
            total=total, initial=start, desc=request.target.name, unit="B", unit_scale=True, leave=False, disable=not has_terminal()
        ) as bar,
    ):
        chunks = response.raw.stream(CHUNK // 8, decode_content=False) if (total or 0) <= request.limit else iter([b""])
        size = max(start, total or 0)
        for chunk in chunks:
            if stop.is_set():
                raise KeyboardInterrupt
            stream.write(chunk)
            bar.update(len(chunk))
            size = max(size, stream.tell())
            if size > request.limit:
                break
    if size > request.limit:
        part.unlink()
        raise request.failed(f"it has more than {request.limit:,} bytes, so it is not the published file")
    if total is not None and size_of(part) < total:
        raise ResumableError(f"the connection ended after {size_of(part):,} of {total:,} bytes")
