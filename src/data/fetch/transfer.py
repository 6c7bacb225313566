"""Downloading files over HTTP, one or several at once: resumed, checked, and never half there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing, nullcontext
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

WRONG_ADDRESS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    requests.exceptions.TooManyRedirects,
)
TRY_AGAIN = (408, 425, 429, 500, 502, 503, 504)


class BrokenError(Exception):
    """A transfer that may be taken up again."""


class Progress:
    """One progress bar over all files of a download, which any thread may move, and the signal that ends them all."""

    def __init__(self, title: str) -> None:
        self._bar = tqdm(total=0, desc=title, unit="B", unit_scale=True, disable=not has_terminal())
        self._lock = threading.Lock()
        self._seen: dict[Path, tuple[int, int]] = {}
        self._stop = threading.Event()

    def report(self, file: Path, done: int, total: int | None) -> None:
        """Say how many bytes of a file are there and, where that is known, how many there will be.

        Raises:
            KeyboardInterrupt: when the download was called off.
        """
        if self._stop.is_set():
            raise KeyboardInterrupt
        with self._lock:
            before, expected = self._seen.get(file, (0, 0))
            self._seen[file] = done, max(done, total or 0)
            self._bar.total += self._seen[file][1] - expected
            self._bar.update(done - before)

    def pause(self, seconds: float) -> None:
        """Wait, unless the download is called off meanwhile.

        Raises:
            KeyboardInterrupt: when it was.
        """
        if self._stop.wait(seconds):
            raise KeyboardInterrupt

    def stop(self) -> None:
        """Call the download off: every transfer ends with its next bytes; what has arrived is kept."""
        self._stop.set()

    def close(self) -> None:
        """Leave the bar as it stands."""
        self._bar.close()


@dataclass(frozen=True)
class Wanted:
    """A file to download.

    Args:
        url: where it is.
        target: where it goes; its folder is made.
        md5: its checksum; None where nobody published one, and then its length must be the announced one.
        limit: most bytes to accept.
    """

    url: str
    target: Path
    md5: str | None = None
    limit: int = 1 << 28


def fetch_all(wanted: Sequence[Wanted], *, advice: str, connections: int = 4, pause: float = 1.0, timeout: float = 30.0) -> None:
    """Download several files at once, each as :func:`fetch` does, behind one progress bar.

    Args:
        wanted: the files.
        advice: what to do when one cannot be had, for the error message.
        connections: most files at a time.
        pause: seconds before a second attempt.
        timeout: seconds to wait for a server.

    Raises:
        UsageError: when an address cannot be one of a file.
        DataError: when a file cannot be had or is not what it should be; what has arrived of the others is kept.
    """
    if not wanted:
        return
    progress = Progress(wanted[0].target.name if len(wanted) == 1 else f"{len(wanted)} files")

    def get(file: Wanted) -> None:
        fetch(file.url, file.target, md5=file.md5, advice=advice, limit=file.limit, pause=pause, timeout=timeout, progress=progress)

    try:
        for _ in in_parallel(get, wanted, connections, stop=progress.stop):
            pass
    finally:
        progress.close()


def in_parallel(
    work: Callable[[Item], Result], items: Iterable[Item], connections: int, *, stop: Callable[[], None]
) -> Iterator[tuple[Item, Result]]:
    """Do the same with many items, several at a time, and yield each with its result as it is done.

    Items are taken as they are needed, so there may be any number of them. After an error, an interrupt, or when nobody
    asks for more results, nothing new is begun and what runs is told to stop.

    Args:
        work: what to do, called in threads.
        items: what to do it with.
        connections: most at a time.
        stop: tells running work to end.

    Raises:
        UsageError: for less than one connection.

    Example:
        >>> sorted(in_parallel(abs, [-2, 3, -1], 2, stop=lambda: None))
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
            stop()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def fetch(
    url: str,
    target: Path,
    *,
    md5: str | None,
    advice: str,
    limit: int = 1 << 28,
    tries: int = 4,
    pause: float = 1.0,
    timeout: float = 30.0,
    progress: Progress | None = None,
) -> None:
    """Download a file, going on where an earlier attempt stopped.

    What arrives lies in ``<target>.part`` and gets its name only when its checksum is right or, where there is none, when it
    is as long as the server announced.

    Args:
        url: where the file is.
        target: where it goes; its folder is made.
        md5: its checksum, or None.
        advice: what to do when it cannot be had, for the error message.
        limit: most bytes to accept.
        tries: attempts without any progress before giving up.
        pause: seconds before the second of these attempts; doubled each time.
        timeout: seconds to wait for a connection or for more bytes.
        progress: a bar that other files share; None shows one of its own.

    Raises:
        UsageError: when the address cannot be one of a file.
        DataError: when the file cannot be had, is too large, or has another checksum twice.
    """
    part = target.with_name(f"{target.name}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    most, failures, resumed, restarted = size_of(part), 0, False, False
    with nullcontext(progress) if progress else closing(Progress(target.name)) as bar:
        while True:
            resumed = resumed or size_of(part) > 0
            try:
                _transfer(url, part, limit, timeout, advice, bar, exact=md5 is None)
            except WRONG_ADDRESS as error:
                raise UsageError(
                    f"{url} is not an address to download from, as https://... is (-from takes what is on disk): {error}"
                ) from error
            except (requests.RequestException, urllib3.exceptions.HTTPError, BrokenError) as error:
                most, failures = (size_of(part), 0) if size_of(part) > most else (most, failures + 1)
                if failures >= tries:
                    kept = f" ({size_of(part):,} bytes are kept and the next attempt goes on from there)" if size_of(part) else ""
                    raise DataError(f"cannot download {url}: {reason(error)}{kept}. {advice}") from error
                bar.pause(pause * 2 ** max(failures - 1, 0))
                continue
            found = md5 and digest(part, "md5")
            if found == md5:
                part.replace(target)
                return
            part.unlink()
            if restarted or not resumed:
                raise DataError(f"{url} is not the file it should be: its MD5 is {found}, not {md5}. {advice}")
            most, resumed, restarted = 0, False, True  # the first bytes may have come from elsewhere: once more, from the start


class Session(requests.Session):
    """A session that follows no redirection to anything but a web server, nor from an encrypted to an open line."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return where an answer sends on to.

        Raises:
            DataError: when that is not to be followed.
        """
        target = super().get_redirect_target(resp)
        if target is not None:
            old, new = urlsplit(resp.url).scheme, urlsplit(urljoin(resp.url, target)).scheme
            if new not in ("http", "https") or (old, new) == ("https", "http"):
                raise DataError(f"{resp.url} sends on to {target}, which is not followed: it leaves {old} for {new}")
        return target


def is_web_page(response: requests.Response) -> bool:
    """Return whether an answer is a page for people, which stands where a file was."""
    return response.headers.get("Content-Type", "").partition(";")[0].strip().lower() in ("text/html", "application/xhtml+xml")


def announced_length(response: requests.Response) -> int | None:
    """Return the length an answer announces for itself, in bytes, or None."""
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdigit() else None


def size_of(path: Path) -> int:
    """Return the length of a file, 0 where there is none."""
    return path.stat().st_size if path.exists() else 0


def reason(error: BaseException) -> str:
    """Return the innermost cause, which is the part of a network error that says something."""
    while isinstance(error.args[0] if error.args else None, Exception) or getattr(error, "reason", None):
        inner = getattr(error, "reason", None) or error.args[0]
        if not isinstance(inner, Exception):
            break
        error = inner
    if len(error.args) == 2 and isinstance(error.args[0], str) and isinstance(error.args[1], Exception):
        words, cause = error.args[0], reason(error.args[1])
        return words if cause in words else f"{words.rstrip('.')}: {cause}"
    return str(error)


def _transfer(url: str, part: Path, limit: int, timeout: float, advice: str, progress: Progress, *, exact: bool) -> None:
    """Append to a file what it lacks; write it anew where the server cannot go on from its end."""
    start = size_of(part)
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with Session() as session, session.get(url, headers=headers, stream=True, timeout=timeout) as response:
        if response.status_code == 416:  # there is nothing after our last byte
            _settle_end(response, part, exact)
            return
        if response.status_code in TRY_AGAIN:
            raise BrokenError(f"the server answered {response.status_code} {response.reason}")
        if response.status_code not in (200, 206):
            raise DataError(f"cannot download {url}: the server answered {response.status_code} {response.reason}. {advice}")
        if is_web_page(response):
            raise DataError(f"cannot download {url}: the server sent a web page in place of the file. {advice}")
        if response.status_code == 200:
            start = 0
        elif not response.headers.get("Content-Range", "").replace("bytes ", "").startswith(f"{start}-"):
            part.unlink(missing_ok=True)
            raise BrokenError("the server sent another part than the one asked for")
        length = announced_length(response)
        total = None if length is None else start + length
        # Chunks say themselves where they end; without them and without a length nobody can.
        if exact and total is None and not getattr(response.raw, "chunked", False):
            raise DataError(f"cannot download {url}: the server does not say how long it is, so a part could pass for the whole. {advice}")
        if (total or 0) <= limit:
            _write(response, part, start, total, limit, progress)
    if max(size_of(part), total or 0) > limit:
        part.unlink(missing_ok=True)
        raise DataError(f"{url} is not the file it should be: it has more than {limit:,} bytes. {advice}")
    if total is not None and size_of(part) < total:
        raise BrokenError(f"the connection ended after {size_of(part):,} of {total:,} bytes")


def _settle_end(response: requests.Response, part: Path, exact: bool) -> None:
    """Accept a file that has no more bytes; without a checksum to come, only if it has exactly as many as the server's."""
    length = response.headers.get("Content-Range", "").rpartition("/")[2]
    if exact and length != str(size_of(part)):
        part.unlink()
        raise BrokenError("what was kept of an earlier attempt is not a part of this file")


def _write(response: requests.Response, part: Path, start: int, total: int | None, limit: int, progress: Progress) -> None:
    with part.open("ab" if start else "wb") as stream:
        progress.report(part, start, total)
        for chunk in response.raw.stream(CHUNK // 8, decode_content=False):
            stream.write(chunk)
            progress.report(part, stream.tell(), total)
            if stream.tell() > limit:
                break
