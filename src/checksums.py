"""Checksums of files and streams."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import IO

CHUNK = 1 << 20


def digest(path: Path, algorithm: str = "sha256") -> str:
    """Return the checksum of a file as hexadecimal digits.

    Args:
        path: the file.
        algorithm: "sha256" (what this package writes) or "md5" (what publishers of archives state).
    """
    with path.open("rb") as stream:
        return copy_and_digest(stream, None, algorithm)


def copy_and_digest(source: IO[bytes], target: IO[bytes] | None, algorithm: str) -> str:
    """Copy a stream, or only read it, and return its checksum as hexadecimal digits.

    Example:
        >>> import io
        >>> copy_and_digest(io.BytesIO(b"abc"), None, "md5")
        '900150983cd24fb0d6963f7d28e17f72'
    """
    state = hashlib.new(algorithm, usedforsecurity=False)
    while chunk := source.read(CHUNK):
        state.update(chunk)
        if target is not None:
            target.write(chunk)
    return state.hexdigest()
