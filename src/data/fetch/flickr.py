"""Fetching the photographs of NUS-WIDE one by one from where they were found, as far as they are still there."""

from __future__ import annotations

import csv
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import requests
import urllib3
from tqdm import tqdm

from ...checksums import CHUNK
from ...errors import DataError
from ...runs import replacing
from ...surroundings import has_terminal
from .transfer import TRY_AGAIN, WRONG_ADDRESS, BrokenError, Session, announced_length, in_parallel, is_web_page, reason

_HEADER = ["file", "url", "reason", "final"]
_LARGEST = 1 << 25  # bytes of a photograph
_ORDER = (1, 0, 3, 2)  # of the addresses of the large, middle, small and original size: the middle one, 500 pixels, is the usual one
_HOPELESS = 100  # so many in a row are not the photographs' fault
_SAVED_EVERY = 1000


class _GoneError(Exception):
    """A photograph that will not come from this address, however often one asks."""


@dataclass(frozen=True)
class Photo:
    """A photograph of the list.

    Args:
        name: file name.
        urls: where it may be, best first.
    """

    name: str
    urls: tuple[str, ...]


@dataclass(frozen=True)
class Failure:
    """A photograph that could not be fetched.

    Args:
        file: its name.
        url: the address that was tried last, empty if there was none.
        reason: why not.
        final: whether asking again is in vain.
    """

    file: str
    url: str
    reason: str
    final: bool


def read_photos(file: Path) -> tuple[list[Photo], list[Failure]]:
    """Read ``NUS-WIDE-urls.txt``: file, number, and the addresses of four sizes, or ``null``, in each line.

    Args:
        file: the list.

    Returns:
        The photographs in the order of the list, each once, and the lines that could not be read.

    Raises:
        DataError: when there is not one photograph in it.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "urls.txt"
        >>> _ = file.write_text(r"C:\\ImageData\\Flickr\\sky\\0001_7.jpg 7 null http://flickr.com/7.jpg null null")
        >>> read_photos(file)
        ([Photo(name='0001_7.jpg', urls=('http://flickr.com/7.jpg',))], [])
    """
    photos: dict[str, Photo] = {}
    unreadable = []
    for number, line in enumerate(file.read_text("utf-8", errors="replace").splitlines(), 1):
        cells = line.split()
        name = re.split(r"[\\/]", cells[0])[-1] if cells else ""
        if re.fullmatch(r"\w[\w-]*\.jpe?g", name, re.IGNORECASE | re.ASCII):
            addresses = cells[2:] if len(cells) != 6 else [cells[2 + column] for column in _ORDER]
            photos.setdefault(name, Photo(name, tuple(url for url in addresses if re.match("https?://", url))))
        elif cells and "Photo_file" not in line:
            unreadable.append(Failure(f"line {number}", "", "this line of the list names no photograph", final=True))
    if not photos:
        raise DataError(f"{file} holds no photographs: a line is a file name, a number and four addresses, separated by blanks")
    return list(photos.values()), unreadable


def read_table(table: Path) -> dict[str, Failure]:
    """Read the table of photographs that could not be fetched; an empty one where there is no file."""
    if not table.is_file():
        return {}
    with table.open(newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.reader(stream) if len(row) == len(_HEADER) and row != _HEADER]
    return {file: Failure(file, url, why, final == "yes") for file, url, why, final in rows}


def write_table(table: Path, failures: dict[str, Failure]) -> None:
    """Write the table of photographs that could not be fetched, whole or not at all."""
    with replacing(table) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerow(_HEADER)
        rows.writerows([f.file, f.url, f.reason, "yes" if f.final else "no"] for f in sorted(failures.values(), key=lambda f: f.file))


def fetch_photos(
    photos: Sequence[Photo],
    folder: Path,
    table: Path,
    *,
    known: dict[str, Failure],
    connections: int = 16,
    tries: int = 3,
    pause: float = 1.0,
    timeout: float = 20.0,
) -> dict[str, Failure]:
    """Fetch what a folder lacks of a list of photographs; what is there, or known to be gone, is not asked for.

    Ctrl-C loses nothing: photographs are written whole or not at all, and the table is brought up to date before the end.

    Args:
        photos: the photographs.
        folder: where they go.
        table: CSV file of those that could not be had.
        known: what earlier attempts found out.
        connections: photographs at a time.
        tries: attempts at an address that might answer yet.
        pause: seconds before the second of these attempts; doubled each time.
        timeout: seconds to wait for a server.

    Returns:
        What could not be had, under the names of the files.

    Raises:
        DataError: when one after the other fails in a way that has nothing to do with the photographs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    there = {path.name for path in folder.iterdir()}
    failures = {name: failure for name, failure in known.items() if name not in there}
    wanted = [photo for photo in photos if photo.name not in there and not (photo.name in known and known[photo.name].final)]
    stop, in_a_row = threading.Event(), 0
    with Session() as session, tqdm(wanted, desc="photographs", unit="", disable=not has_terminal()) as bar:
        for scheme in ("http://", "https://"):
            session.mount(scheme, requests.adapters.HTTPAdapter(pool_connections=32, pool_maxsize=connections))

        def work(photo: Photo) -> Failure | None:
            return _fetch_photo(photo, folder, session, stop, tries, pause, timeout)

        try:
            for done, (photo, failure) in enumerate(in_parallel(work, wanted, connections, stop=stop.set), 1):
                bar.update()
                failures.pop(photo.name, None)
                in_a_row = in_a_row + 1 if failure and not failure.final else 0
                if failure:
                    failures[photo.name] = failure
                if in_a_row >= _HOPELESS:
                    raise DataError(
                        f"{in_a_row} photographs in a row could not be fetched, the last one from {failure.url if failure else ''} "
                        f"({failure.reason if failure else ''}): is there a network? What was fetched is kept; the same command goes on"
                    )
                if done % _SAVED_EVERY == 0:
                    write_table(table, failures)
        finally:
            write_table(table, failures)
    return failures


def _fetch_photo(
    photo: Photo, folder: Path, session: Session, stop: threading.Event, tries: int, pause: float, timeout: float
) -> Failure | None:
    """Fetch a photograph from the first of its addresses that has it."""
    if not photo.urls:
        return Failure(photo.name, "", "the list has no address", final=True)
    failures = []
    for url in photo.urls:
        try:
            content = _patiently(url, session, stop, tries, pause, timeout)
        except (_GoneError, DataError, *WRONG_ADDRESS) as error:
            failures.append(Failure(photo.name, url, reason(error), final=True))
        except (requests.RequestException, urllib3.exceptions.HTTPError, BrokenError) as error:
            failures.append(Failure(photo.name, url, reason(error), final=False))
        else:
            with replacing(folder / photo.name) as temporary:
                temporary.write_bytes(content)
            return None
    return next((failure for failure in failures if not failure.final), failures[0])


def _patiently(url: str, session: Session, stop: threading.Event, tries: int, pause: float, timeout: float) -> bytes:
    """Get a photograph, asking again as long as that may help."""
    attempt = 0
    while True:
        attempt += 1
        try:
            return _get(url, session, stop, timeout)
        except WRONG_ADDRESS:
            raise
        except (requests.RequestException, urllib3.exceptions.HTTPError, BrokenError):
            if attempt == tries:
                raise
        if stop.wait(pause * 2 ** (attempt - 1)):
            raise KeyboardInterrupt


def _get(url: str, session: Session, stop: threading.Event, timeout: float) -> bytes:
    """Get a photograph, and nothing that only stands in its place."""
    with session.get(url, headers={"Accept-Encoding": "identity"}, stream=True, timeout=timeout) as response:
        if "photo_unavailable" in response.url:  # Flickr answers "200 OK" with a grey picture of that name
            raise _GoneError("Flickr shows its picture for photographs that are not available")
        if response.status_code in TRY_AGAIN:
            raise BrokenError(f"the server answered {response.status_code} {response.reason}")
        if response.status_code != 200:
            raise _GoneError(f"the server answered {response.status_code} {response.reason}")
        if is_web_page(response):
            raise _GoneError("the server sent a web page in place of the photograph")
        content = b"".join(_bounded(response, stop))
        length = announced_length(response)
    if not content.startswith(b"\xff\xd8\xff"):
        raise _GoneError("what the server sent is not a JPEG image")
    if len(content) < (length or 0) or (length is None and b"\xff\xd9" not in content[-64:]):
        raise BrokenError(f"the connection ended after {len(content):,} bytes")
    return content


def _bounded(response: requests.Response, stop: threading.Event) -> Iterator[bytes]:
    got = 0
    for chunk in response.raw.stream(CHUNK // 8, decode_content=False):
        got += len(chunk)
        if stop.is_set():
            raise KeyboardInterrupt
        if got > _LARGEST:
            raise _GoneError(f"what the server sent has more than {_LARGEST:,} bytes")
        yield chunk
