"""Downloading photographs one by one, as far as they are still there."""

from __future__ import annotations

import csv
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import requests
from tqdm import tqdm

from ...checksums import CHUNK
from ...errors import DataError
from ...runs import replacing
from ...surroundings import has_terminal
from .transfer import BAD_ADDRESS, RETRY_STATUSES, TEMPORARY, ResumableError, Session, announced_length, in_parallel, is_web_page, reason

_HEADER = ["file", "url", "reason", "final"]
_LARGEST = 1 << 25  # bytes of a photograph
_FAILURES = 100  # so many in a row are not the photographs' fault
_SAVED_EVERY = 1000
_TRIES = 3  # for each address that might answer yet


class PermanentDownloadError(Exception):
    """A photograph that will not come from this address, however often it is requested."""


@dataclass(frozen=True)
class Photo:
    """A photograph.

    Args:
        name: file name.
        urls: its addresses, best first.
    """

    name: str
    urls: tuple[str, ...]


@dataclass(frozen=True)
class Failure:
    """A photograph that could not be downloaded.

    Args:
        file: its name.
        url: the address that was tried last, empty if there was none.
        reason: why it failed.
        final: whether a later attempt is useless.
    """

    file: str
    url: str
    reason: str
    final: bool


def read_table(table: Path) -> dict[str, Failure]:
    """Read the table of photographs that could not be downloaded; empty if there is no file."""
    if not table.is_file():
        return {}
    with table.open(newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.reader(stream) if len(row) == len(_HEADER) and row != _HEADER]
    return {file: Failure(file, url, why, final == "yes") for file, url, why, final in rows}


def write_table(table: Path, failures: Mapping[str, Failure]) -> None:
    """Write the table of photographs that could not be downloaded, whole or not at all."""
    with replacing(table) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerow(_HEADER)
        rows.writerows([f.file, f.url, f.reason, "yes" if f.final else "no"] for _, f in sorted(failures.items()))


def fetch_photos(
    photos: Sequence[Photo],
    folder: Path,
    table: Path,
    known: Mapping[str, Failure],
    *,
    connections: int = 16,
    pause: float = 1.0,
    timeout: float = 20.0,
) -> dict[str, Failure]:
    """Download what a directory lacks of a list of photographs, in threads.

    After Ctrl-C the table is up to date; each photograph is written whole or not at all.

    Args:
        photos: the photographs.
        folder: where they go.
        table: CSV file of those that failed.
        known: failures of earlier attempts; final ones are not requested again.
        connections: photographs at a time.
        pause: seconds before the second of three attempts; doubled for the third.
        timeout: seconds to wait for a server.

    Returns:
        The failures, by file name.

    Raises:
        DataError: if one after the other fails in a way that has nothing to do with the photographs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    present = {path.name for path in folder.iterdir()}
    failures = {name: failure for name, failure in known.items() if name not in present}
    missing = [photo for photo in photos if photo.name not in present and not (photo.name in known and known[photo.name].final)]
    stop, in_a_row = threading.Event(), 0
    with Session() as session, tqdm(missing, desc="photographs", unit="", disable=not has_terminal()) as bar:
        for scheme in ("http://", "https://"):
            session.mount(scheme, requests.adapters.HTTPAdapter(32, connections))

        def wait(attempt: int) -> None:
            if stop.wait(pause * 2**attempt):
                raise KeyboardInterrupt

        def work(photo: Photo) -> Failure | None:
            return _fetch_photo(photo, folder, lambda url: _get(url, session, timeout), wait)

        try:
            for done, (photo, failure) in enumerate(in_parallel(work, missing, connections, stop=stop), 1):
                bar.update()
                failures.pop(photo.name, None)
                in_a_row = in_a_row + 1 if failure and not failure.final else 0
                if failure:
                    failures[photo.name] = failure
                if failure and in_a_row >= _FAILURES:
                    raise DataError(
                        f"{in_a_row} photographs in a row could not be downloaded, the last one from {failure.url} ({failure.reason}): "
                        f"is there a network? What has arrived is preserved; the same command resumes there"
                    )
                if done % _SAVED_EVERY == 0:
                    write_table(table, failures)
        finally:
            write_table(table, failures)
    return failures


def _fetch_photo(photo: Photo, folder: Path, get: Callable[[str], bytes], pause: Callable[[int], None]) -> Failure | None:
    """Download a photograph from the first of its addresses that has it."""
    failures = [] if photo.urls else [Failure(photo.name, "", "the list has no address", final=True)]
    for url in photo.urls:
        for attempt in range(_TRIES):
            try:
                content = get(url)
            except (PermanentDownloadError, DataError, *BAD_ADDRESS) as error:
                failures.append(Failure(photo.name, url, reason(error), final=True))
                break
            except TEMPORARY as error:
                if attempt == _TRIES - 1:
                    failures.append(Failure(photo.name, url, reason(error), final=False))
                else:
                    pause(attempt)
            else:
                with replacing(folder / photo.name) as temporary:
                    temporary.write_bytes(content)
                return None
    return next((failure for failure in failures if not failure.final), failures[0])


def _get(url: str, session: Session, timeout: float) -> bytes:
    """Return the bytes of a photograph, and of nothing that stands in its place."""
    with session.get(url, headers={"Accept-Encoding": "identity"}, stream=True, timeout=timeout) as response:
        if "photo_unavailable" in response.url:  # Flickr answers "200 OK" with a grey image of that name
            raise PermanentDownloadError("Flickr shows its image for photographs that are not available")
        if response.status_code in RETRY_STATUSES:
            raise ResumableError(f"the server answered {response.status_code} {response.reason}")
        if response.status_code != 200:
            raise PermanentDownloadError(f"the server answered {response.status_code} {response.reason}")
        if is_web_page(response):
            raise PermanentDownloadError("the server sent a web page in place of the photograph")
        content = b""
        for chunk in response.raw.stream(CHUNK // 8, decode_content=False):
            content += chunk
            if len(content) > _LARGEST:
                raise PermanentDownloadError(f"what the server sent has more than {_LARGEST:,} bytes")
        length = announced_length(response)
    if not content.startswith(b"\xff\xd8\xff"):
        raise PermanentDownloadError("what the server sent is not a JPEG image")
    if length is None and b"\xff\xd9" not in content[-64:]:
        raise ResumableError(f"the connection ended after {len(content):,} bytes")
    return content
