"""What is wanted of an archive, where it goes, and unpacking just that."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from tqdm import tqdm

from ...checksums import CHUNK
from ...errors import DataError
from ...runs import replacing
from ...surroundings import has_terminal
from .archives import files, naming_damage

Place = Callable[[str], str | None]


@dataclass(frozen=True)
class Part:
    """Files that an archive holds and that are wanted.

    Args:
        pattern: the end of their paths, with ``*`` and ``[...]`` inside a name; names without these are found in any case.
        count: how many there are.
        into: the folder they go to; None keeps the folders of the pattern.

    Example:
        >>> Part("AllLabels/Labels_*.txt", 81).place("Groundtruth/AllLabels/Labels_sky.txt")
        'AllLabels/Labels_sky.txt'
        >>> Part("Imagelist.txt", 1, into="ImageList").place("ImageList/ImageList.txt")
        'ImageList/Imagelist.txt'
        >>> Part("train2014/*.jpg", 82_783).place("val2014/1.jpg") is None
        True
    """

    pattern: str
    count: int
    into: str | None = None

    def place(self, member: str) -> str | None:
        """Return where a file goes, relative to the data set's folder; None for a file that is not wanted."""
        wanted = self.pattern.split("/")
        found = member.split("/")
        if len(found) < len(wanted) or found[-1].startswith(".") or found[0] == "__MACOSX":
            return None
        pairs = list(zip(found[-len(wanted) :], wanted, strict=True))
        if not all(fnmatchcase(name, sample) or name.lower() == sample.lower() for name, sample in pairs):
            return None
        spelt = [name if _is_wild(sample) else sample for name, sample in pairs]
        return "/".join([*(spelt[:-1] if self.into is None else [self.into]), spelt[-1]])

    @property
    def shown(self) -> str:
        """Pattern of the files where they have gone."""
        return self.pattern if self.into is None else f"{self.into}/{self.pattern.rpartition('/')[2]}"

    def present(self, folder: Path) -> int:
        """Return how many of the files lie in a data set's folder."""
        return sum(1 for path in folder.glob(self.shown) if not path.name.startswith(".") and path.is_file())


def placing(parts: Sequence[Part]) -> Place:
    """Return the function that finds a file's place among several parts."""
    return lambda member: next((place for part in parts if (place := part.place(member))), None)


def unpack(archive: Path, folder: Path, place: Place, *, limit: int) -> None:
    """Unpack the wanted files of an archive, each whole or not at all; the archive is never held in memory.

    It may be a .zip, a .tar, a .tar.gz, or a .rar of one text file. A file that is already there in its length is left alone,
    so an interrupted unpacking goes on.

    Args:
        archive: the file.
        folder: the data set's folder.
        place: where a member goes, relative to that folder, or None for what is not wanted.
        limit: most bytes that may come out.

    Raises:
        DataError: for an archive with an absolute path, a way up (``..``), a link, a device or the same file twice, and for
            one that is damaged, is no archive, or unpacks to more than the limit.
    """
    seen: set[str] = set()
    with (
        naming_damage(archive),
        closing(files(archive, limit)) as found,
        tqdm(desc=archive.name, unit=" files", disable=not has_terminal()) as bar,
    ):
        for member, size, stream in found:
            goal = place(member)
            if goal is None:
                continue
            if goal.casefold() in seen:
                raise DataError(f"{archive} is refused: it holds {member!r} twice")
            seen.add(goal.casefold())
            bar.update()
            target = folder / goal
            if not target.is_file() or target.stat().st_size != size:
                with replacing(target) as temporary, temporary.open("wb") as copy:
                    shutil.copyfileobj(stream, copy, CHUNK)
                    if copy.tell() != size >= 0:  # a tar that is cut off ends its last file without a word
                        raise EOFError(f"{member} has {copy.tell():,} of {size:,} bytes")


def _is_wild(sample: str) -> bool:
    return any(sign in sample for sign in "*?[")
