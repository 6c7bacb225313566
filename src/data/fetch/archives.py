"""Unpacking the needed files of an archive, each whole or not at all."""

from __future__ import annotations

import gzip
import io
import lzma
import re
import shutil
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import IO, cast

from tqdm import tqdm

from ...checksums import CHUNK, digest
from ...errors import DataError
from ...runs import replacing
from ...surroundings import has_terminal

PathOf = Callable[[str], str | None]

# RuntimeError: an encrypted file, or a compression that Python does not know.
_DAMAGED = (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError, RuntimeError)
_RAR_PROGRAMS = {"bsdtar": ["-xOf"], "unrar": ["p", "-inul", "-p-"], "7z": ["e", "-so", "-p-"]}


@dataclass(frozen=True)
class Part:
    """Files of an archive that are needed.

    Args:
        pattern: the end of their paths, with ``*`` and ``[...]`` inside a name; names without these match in any case.
        count: how many there are.
        into: the directory they go to; None keeps the directories of the pattern.
        md5: the checksum of a single file, where it is published.

    Example:
        >>> Part("AllLabels/Labels_*.txt", 81).path_of("Groundtruth/AllLabels/Labels_sky.txt")
        'AllLabels/Labels_sky.txt'
        >>> Part("Imagelist.txt", 1, into="ImageList").path_of("ImageList/ImageList.txt")
        'ImageList/Imagelist.txt'
        >>> Part("train2014/*.jpg", 82_783).path_of("val2014/1.jpg") is None
        True
    """

    pattern: str
    count: int = 1
    into: str | None = None
    md5: str | None = None

    def path_of(self, member: str) -> str | None:
        """Return where a file goes, relative to the directory of the dataset; None for a file that is not needed."""
        samples, names = self.pattern.split("/"), member.split("/")
        if len(names) < len(samples) or names[-1].startswith(".") or names[0] == "__MACOSX":
            return None
        pairs = list(zip(names[-len(samples) :], samples, strict=True))
        if not all(fnmatchcase(name, sample) or name.lower() == sample.lower() for name, sample in pairs):
            return None
        spelt = [name if _is_wild(sample) else sample for name, sample in pairs]
        return "/".join([*(spelt[:-1] if self.into is None else [self.into]), spelt[-1]])

    @property
    def unpacked(self) -> str:
        """Pattern of the files below the directory of the dataset."""
        return self.pattern if self.into is None else f"{self.into}/{self.pattern.rpartition('/')[2]}"

    def present(self, folder: Path) -> int:
        """Return how many of the files lie in the directory of a dataset."""
        return sum(1 for path in folder.glob(self.unpacked) if not path.name.startswith(".") and path.is_file())


def path_among(parts: Sequence[Part]) -> PathOf:
    """Return the function from a member of an archive to its path among several parts."""
    return lambda member: next((path for part in parts if (path := part.path_of(member))), None)


def check_md5(file: Path, md5: str | None, name: object) -> None:
    """Check the MD5 of a file; None passes.

    Raises:
        DataError: if it is another one.
    """
    if md5 and (actual := digest(file, "md5")) != md5:
        raise DataError(f"{name} is damaged or not the published file (its MD5 is {actual}, not {md5}): delete it and get it again")


def unpack(archive: Path, folder: Path, path_of: PathOf, *, limit: int) -> None:
    """Unpack the needed files of an archive; one that is there already in its length is left as it is.

    Args:
        archive: a .zip, .tar or .tar.gz archive, or a .rar archive of one text file.
        folder: the directory of the dataset.
        path_of: from a member to its path below that directory, or None for what is not needed.
        limit: most bytes that may come out.

    Raises:
        DataError: for an archive with a path that leads out of the directory or a file that occurs twice, and for one that is damaged, is
            no archive, or unpacks to more than the limit. Links and devices are left out.
    """
    seen: set[str] = set()
    with _naming_damage(archive), tqdm(desc=archive.name, unit=" files", leave=False, disable=not has_terminal()) as bar:
        for member, size, opened in _members(archive):
            path = path_of(_safe(member, archive))
            if path is None:
                continue
            if path.casefold() in seen:
                raise DataError(f"{archive} is refused: it holds {member!r} twice")
            seen.add(path.casefold())
            bar.update()
            limit -= max(size, 0)
            if limit < 0:
                raise DataError(f"{archive} is refused: it unpacks to more than it may hold")
            if not (folder / path).is_file() or (folder / path).stat().st_size != size:
                with replacing(folder / path) as temporary, temporary.open("wb") as copy, opened() as stream:
                    shutil.copyfileobj(stream, copy, CHUNK)
                    if copy.tell() != size >= 0:  # a tar that is cut off ends its last file without a word
                        raise EOFError(f"{member} has {copy.tell():,} of {size:,} bytes")


def _members(archive: Path) -> Iterator[tuple[str, int, Callable[[], IO[bytes]]]]:
    """Yield path, length (-1 where the archive does not state it) and opener of every file, to the archive's very end."""
    with archive.open("rb") as stream:
        start = stream.read(4)
    if start[:2] == b"PK":
        with zipfile.ZipFile(archive) as zipped:
            for entry in zipped.infolist():
                if not entry.is_dir():
                    yield entry.filename, entry.file_size, partial(zipped.open, entry)
    elif start == b"Rar!":
        yield f"{archive.stem}.txt", -1, partial(_rar_stream, archive)
    else:
        with archive.open("rb") as packed, gzip.GzipFile(fileobj=packed) if start[:2] == b"\x1f\x8b" else packed as unpacked:
            yield from _tar_members(cast("IO[bytes]", unpacked))


def _tar_members(unpacked: IO[bytes]) -> Iterator[tuple[str, int, Callable[[], IO[bytes]]]]:
    with tarfile.open(fileobj=unpacked, mode="r|") as tar:
        for member in tar:
            if member.isreg():
                yield member.name, member.size, partial(_tar_stream, tar, member)
        while unpacked.read(CHUNK):
            pass  # gzip's checksum stands at the end


def _tar_stream(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    stream = tar.extractfile(member)
    assert stream is not None  # it is a file
    return stream


def _rar_stream(archive: Path) -> IO[bytes]:
    """Return the one text file of a .rar archive, which an installed program unpacks: no path is taken from it."""
    command = next(([program, *arguments] for name, arguments in _RAR_PROGRAMS.items() if (program := shutil.which(name))), None)
    if command is None:
        raise DataError(
            f"{archive} needs {', '.join(_RAR_PROGRAMS)} to be unpacked, and none of them is installed: install one (bsdtar is in "
            f"libarchive-tools), or unpack it elsewhere and name the text file with -from"
        )
    done = subprocess.run([*command, str(archive)], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode:
        raise EOFError(done.stderr.decode(errors="replace").strip() or f"{command[0]} ended with status {done.returncode}")
    return io.BytesIO(done.stdout)


def _safe(member: str, archive: Path) -> str:
    """Return the path of a member with ``/`` between the directories.

    Raises:
        DataError: if it leads out of the directory it is unpacked to.
    """
    path = member.replace("\\", "/").removeprefix("./")
    if path.startswith("/") or re.match("[A-Za-z]:", path) or ".." in path.split("/") or "\0" in path:
        raise DataError(f"{archive} is refused: it holds {member!r}, which leads out of the directory it is unpacked to")
    return path


@contextmanager
def _naming_damage(archive: Path) -> Iterator[None]:
    """Turn the many errors of a damaged archive into one that names it."""
    try:
        yield
    except _DAMAGED as error:
        raise DataError(f"{archive} is not a whole archive ({error}): delete it and get it again") from error


def _is_wild(sample: str) -> bool:
    return any(sign in sample for sign in "*?[")
