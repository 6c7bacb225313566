"""Reading archives that nobody vouches for."""

from __future__ import annotations

import gzip
import lzma
import re
import shutil
import stat
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Collection, Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, BinaryIO, cast

from ...checksums import CHUNK
from ...errors import DataError

Files = Generator[tuple[str, int, IO[bytes]], None, None]

_DAMAGED = (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, NotImplementedError)
_UNPACKERS = {"bsdtar": ["-xOf"], "unrar": ["p", "-inul", "-p-"], "7z": ["e", "-so", "-p-"]}  # of .rar, to their output
_MOST_MEMBERS = 1 << 22  # ImageNet has two million; a list of more would fill the memory before anything is unpacked


class _Bounded:
    """A stream that ends in an error where an archive unpacks to more than it may."""

    def __init__(self, stream: BinaryIO | IO[bytes], limit: int, archive: Path) -> None:
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
    with naming_damage(archive):
        for member, stream in _tar_members(archive, limit):
            if member.isdir() and member.name.removeprefix("./") in (folder, ".", ""):
                continue
            name = _checked_name(member, archive, folder, names, seen)
            if stream is not None:
                yield name, stream


@contextmanager
def naming_damage(archive: Path) -> Iterator[None]:
    """Turn whatever a damaged archive raises while it is read into a word about it.

    Args:
        archive: the file.

    Raises:
        DataError: in place of the many errors of the modules that read archives.
    """
    try:
        yield
    except _DAMAGED as error:
        kind = ".tar.gz" if archive.name.endswith((".tar.gz", ".tgz")) else archive.suffix
        raise DataError(f"{archive} is not a whole {kind} archive ({error}): delete it and get it again") from error


def files(archive: Path, limit: int) -> Files:
    """Yield path, length and content of every file of a .zip, .tar or .tar.gz archive, or of a .rar archive of one text file.

    A content that is read to its end is whole, as far as the archive carries checksums.

    Args:
        archive: the file.
        limit: most bytes it may unpack to.

    Yields:
        Path with ``/`` between the folders, length in bytes (-1 where the archive does not say), and stream.

    Raises:
        DataError: for an absolute path, a way up (``..``), a link, a device or an encrypted file, and for what unpacks to
            more than the limit. Damage raises what the module that reads it raises: see :func:`naming_damage`.
    """
    with archive.open("rb") as stream:
        start = stream.read(4)
    kind = _zip_files if start[:2] == b"PK" else _rar_file if start == b"Rar!" else _tar_files
    with closing(kind(archive, limit)) as found:
        for name, size, content in found:
            yield _safe(name, archive), size, content


def _tar_files(archive: Path, limit: int) -> Files:
    for member, content in _tar_members(archive, limit):
        if content is not None:
            yield member.name, member.size, content
        elif not member.isdir():
            raise _neither_file_nor_folder(archive, member.name)


def _zip_files(archive: Path, limit: int) -> Files:
    with zipfile.ZipFile(archive) as opened:
        entries = opened.infolist()
        if len(entries) > _MOST_MEMBERS:
            raise DataError(f"{archive} is refused: it holds {len(entries):,} files")
        for entry in entries:
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _neither_file_nor_folder(archive, entry.filename)
            if entry.flag_bits & 1:
                raise DataError(f"{archive} is refused: {entry.filename!r} is encrypted")
            if entry.is_dir():
                continue
            with opened.open(entry) as stream:
                bounded = _Bounded(stream, limit, archive)
                yield entry.filename, entry.file_size, cast("IO[bytes]", bounded)
                limit = bounded.left


def _rar_file(archive: Path, limit: int) -> Files:
    """Yield the one text file of a .rar archive, which an installed program unpacks to a pipe: no path is taken from it."""
    command = next(([found, *arguments] for name, arguments in _UNPACKERS.items() if (found := shutil.which(name))), None)
    if command is None:
        raise DataError(
            f"{archive} needs {', '.join(_UNPACKERS)} to be unpacked, and none of them is installed: install one (bsdtar is in "
            f"libarchive-tools), or unpack it elsewhere and name the text file with -from"
        )
    with subprocess.Popen([*command, str(archive)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            yield f"{archive.stem}.txt", -1, cast("IO[bytes]", _Piped(process, limit, archive))
        finally:
            process.kill()


class _Piped(_Bounded):
    """What a program writes, which counts only when the program ends well."""

    def __init__(self, process: subprocess.Popen[bytes], limit: int, archive: Path) -> None:
        super().__init__(cast("IO[bytes]", process.stdout), limit, archive)
        self.process = process

    def read(self, size: int) -> bytes:
        data = super().read(size)
        if not data and self.process.wait() != 0:
            raise EOFError("the program that unpacks it ended with an error")
        return data


def _tar_members(archive: Path, limit: int) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    """Yield the members of a .tar or .tar.gz archive, read once from its beginning to its very end."""
    with archive.open("rb") as packed:
        squeezed = packed.read(2) == b"\x1f\x8b"
        packed.seek(0)
        with gzip.GzipFile(fileobj=packed) if squeezed else packed as unpacked:
            bounded = cast("IO[bytes]", _Bounded(cast(BinaryIO, unpacked), limit, archive))
            with tarfile.open(fileobj=bounded, mode="r|") as tar:
                for member in tar:
                    yield member, tar.extractfile(member) if member.isreg() else None
            while bounded.read(CHUNK):
                pass  # to the very end, where the archive's own checksum stands


def _safe(member: str, archive: Path) -> str:
    """Return the path of a member in one spelling.

    Raises:
        DataError: when it leads out of the folder it is unpacked to.
    """
    path = member.replace("\\", "/").removeprefix("./")
    if path.startswith("/") or re.match("[A-Za-z]:", path) or ".." in path.split("/") or "\0" in path:
        raise DataError(f"{archive} is refused: it holds {member!r}, which leads out of the folder it is unpacked to")
    return path


def _checked_name(member: tarfile.TarInfo, archive: Path, folder: str, names: Collection[str], seen: set[str]) -> str:
    place, _, name = member.name.removeprefix("./").rpartition("/")
    if place != folder or name not in names:
        raise DataError(f"{archive} is refused: it holds {member.name!r}, but only {folder}/ with {', '.join(sorted(names))} is expected")
    if not member.isreg():
        raise _neither_file_nor_folder(archive, member.name)
    if name in seen:
        raise DataError(f"{archive} is refused: it holds {member.name!r} twice")
    seen.add(name)
    return name


def _neither_file_nor_folder(archive: Path, name: str) -> DataError:
    return DataError(f"{archive} is refused: {name!r} is a link or a device, not a file")
