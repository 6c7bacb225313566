"""Reading archives that nobody vouches for."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO, BinaryIO, cast

from ..checksums import CHUNK
from ..errors import DataError


class _Bounded:
    """A stream that ends in an error where an archive unpacks to more than it may."""

    def __init__(self, stream: BinaryIO, limit: int, archive: Path) -> None:
        self.stream, self.left, self.archive = stream, limit, archive

    def read(self, size: int) -> bytes:
        data = self.stream.read(min(size, self.left + 1))
        self.left -= len(data)
        if self.left < 0:
            raise DataError(f"{self.archive} is refused: it unpacks to more than it may hold")
        return data


def members(archive: Path, folder: str, names: Collection[str], *, limit: int) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield the expected members of a .tar.gz archive as streams; nothing is ever written to a path it names.

    Args:
        archive: the file.
        folder: the folder all members lie in.
        names: the file names that may occur in it.
        limit: most bytes the archive may unpack to.

    Yields:
        File name and stream, in the archive's order.

    Raises:
        DataError: for a member of another name or place, a link, a device or a name that occurs twice; for an archive
            that is no .tar.gz, is cut off, or unpacks to more than the limit.
    """
    seen: set[str] = set()
    try:
        with gzip.open(archive) as unpacked:
            bounded = cast("IO[bytes]", _Bounded(cast(BinaryIO, unpacked), limit, archive))
            with tarfile.open(fileobj=bounded, mode="r|") as tar:
                for member in tar:
                    if member.isdir() and member.name.removeprefix("./") in (folder, ".", ""):
                        continue
                    name = _checked_name(member, archive, folder, names, seen)
                    stream = tar.extractfile(member)
                    if stream is not None:
                        yield name, stream
            while bounded.read(CHUNK):
                pass  # to the very end, where the archive's own checksum stands
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{archive} is not a whole .tar.gz archive ({error}): get it again") from error


def _checked_name(member: tarfile.TarInfo, archive: Path, folder: str, names: Collection[str], seen: set[str]) -> str:
    place, _, name = member.name.removeprefix("./").rpartition("/")
    if place != folder or name not in names:
        raise DataError(f"{archive} is refused: it holds {member.name!r}, but only {folder}/ with {', '.join(sorted(names))} is expected")
    if not member.isreg():
        raise DataError(f"{archive} is refused: {member.name!r} is a link or a device, not a file")
    if name in seen:
        raise DataError(f"{archive} is refused: it holds {member.name!r} twice")
    seen.add(name)
    return name
