"""Downloading one file over HTTP: resumed, checked, and never half there."""

from __future__ import annotations

import time
from pathlib import Path

import requests
import urllib3
from tqdm import tqdm

from ..checksums import CHUNK, digest
from ..errors import DataError, UsageError

_WRONG_ADDRESS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    requests.exceptions.TooManyRedirects,
)
_TRY_AGAIN = (408, 425, 429, 500, 502, 503, 504)


class _BrokenError(Exception):
    """A transfer that may be taken up again."""


def fetch(
    url: str, target: Path, *, md5: str, advice: str, limit: int = 1 << 28, tries: int = 4, pause: float = 1.0, timeout: float = 30.0
) -> None:
    """Download a file, going on where an earlier attempt stopped.

    What arrives lies in ``<target>.part`` and gets its name only when its checksum is right.

    Args:
        url: where the file is.
        target: where it goes; its folder is made.
        md5: its checksum.
        advice: what to do when it cannot be had, for the error message.
        limit: most bytes to accept.
        tries: attempts without any progress before giving up.
        pause: seconds before the second of these attempts; doubled each time.
        timeout: seconds to wait for a connection or for more bytes.

    Raises:
        UsageError: when the address cannot be one of a file.
        DataError: when the file cannot be had, is too large, or has another checksum twice.
    """
    part = target.with_name(f"{target.name}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    most, failures, resumed, restarted = _size(part), 0, False, False
    while True:
        resumed = resumed or _size(part) > 0
        try:
            _transfer(url, part, limit, timeout, advice)
        except _WRONG_ADDRESS as error:
            raise UsageError(f"{url} is not an address to download from: {error}") from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, _BrokenError) as error:
            most, failures = (_size(part), 0) if _size(part) > most else (most, failures + 1)
            if failures >= tries:
                kept = f" ({_size(part):,} bytes are kept and the next attempt goes on from there)" if _size(part) else ""
                raise DataError(f"cannot download {url}: {_reason(error)}{kept}. {advice}") from error
            time.sleep(pause * 2 ** max(failures - 1, 0))
            continue
        found = digest(part, "md5")
        if found == md5:
            part.replace(target)
            return
        part.unlink()
        if restarted or not resumed:
            raise DataError(f"{url} is not the file it should be: its MD5 is {found}, not {md5}. {advice}")
        most, resumed, restarted = 0, False, True  # the first bytes may have come from elsewhere: once more, from the start


def _transfer(url: str, part: Path, limit: int, timeout: float, advice: str) -> None:
    """Append to a file what it lacks; write it anew where the server cannot go on from its end."""
    start = _size(part)
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with requests.get(url, headers=headers, stream=True, timeout=timeout) as response:
        if response.status_code == 416:  # there is nothing after our last byte; the checksum tells whether that is right
            return
        if response.status_code in _TRY_AGAIN:
            raise _BrokenError(f"the server answered {response.status_code} {response.reason}")
        if response.status_code not in (200, 206):
            raise DataError(f"cannot download {url}: the server answered {response.status_code} {response.reason}. {advice}")
        if response.status_code == 200:
            start = 0
        elif not response.headers.get("Content-Range", "").replace("bytes ", "").startswith(f"{start}-"):
            part.unlink(missing_ok=True)
            raise _BrokenError("the server sent another part than the one asked for")
        announced = response.headers.get("Content-Length", "")
        total = start + int(announced) if announced.isdigit() else None
        with (
            part.open("ab" if start else "wb") as stream,
            tqdm(total=total, initial=start, desc=part.stem, unit="B", unit_scale=True, disable=None) as bar,
        ):
            for chunk in response.raw.stream(CHUNK // 8, decode_content=False):
                stream.write(chunk)
                bar.update(len(chunk))
                if stream.tell() > limit:
                    break
    if _size(part) > limit:
        part.unlink()
        raise DataError(f"{url} is not the file it should be: it has more than {limit:,} bytes. {advice}")
    if total is not None and _size(part) < total:
        raise _BrokenError(f"the connection ended after {_size(part):,} of {total:,} bytes")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _reason(error: Exception) -> str:
    """Return the innermost cause, which is the part of a network error that says something."""
    while isinstance(error.args[0] if error.args else None, Exception) or getattr(error, "reason", None):
        inner = getattr(error, "reason", None) or error.args[0]
        if not isinstance(inner, Exception):
            break
        error = inner
    return str(error)
