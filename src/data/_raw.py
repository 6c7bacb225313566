"""Data sets that are published as archives: bringing them to ``data/raw/`` from a server or from the disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..checksums import digest
from ..errors import DataError, UsageError
from ..runs import only_process, raw_folder, replacing
from ..settings.strict_parser import command_line
from ._fetch import Wanted, fetch_all
from ._parts import Part, Place, placing, unpack


@dataclass(frozen=True)
class Archive:
    """What is known of a published archive.

    Args:
        url: where it is published.
        parts: what is wanted of it.
        size: most bytes it may have.
        unpacked: most bytes it may unpack to.
        md5: its checksum; None where the publisher states none, and then its length and, in a .zip archive, the checksum
            that each file carries have to do.
    """

    url: str
    parts: tuple[Part, ...]
    size: int
    unpacked: int
    md5: str | None = None

    @property
    def name(self) -> str:
        """File name."""
        return self.url.rpartition("/")[2]

    def lacks(self, folder: Path) -> str | None:
        """Return, in words, how many of its files a data set's folder has; None when it has them all."""
        there, wanted = (sum(counts) for counts in zip(*((part.present(folder), part.count) for part in self.parts), strict=True))
        return f"{there:,} of {wanted:,} files of {self.name}" if there < wanted else None

    def at(self, mirror: str | None) -> str:
        """Return its address, or where a mirror has it: in the folder that is named, unless the name is the file's own.

        Example:
            >>> archive = Archive("http://images.cocodataset.org/zips/val2014.zip", (), size=0, unpacked=0)
            >>> archive.at("https://mirror.org/coco"), archive.at("https://mirror.org/coco/val2014.zip")
            ('https://mirror.org/coco/val2014.zip', 'https://mirror.org/coco/val2014.zip')
        """
        if mirror is None:
            return self.url
        return mirror if mirror.rstrip("/").endswith(f"/{self.name}") else f"{mirror.rstrip('/')}/{self.name}"


@dataclass(frozen=True)
class Published:
    """A data set that is published as archives.

    Args:
        database: its name here.
        title: its name for people.
        archives: what it is published in.
    """

    database: str
    title: str
    archives: tuple[Archive, ...]

    @property
    def advice(self) -> str:
        """What to do when it cannot be downloaded."""
        names = ", ".join(archive.name for archive in self.archives)
        return (
            f"On a machine without network, copy {names} (or a folder of the unpacked files) from elsewhere and run "
            f"`python src/data/download/{self.database}.py -from PATH`; `-url URL` takes them from a mirror."
        )

    def lacks(self, folder: Path) -> list[str]:
        """Return, in words, what a folder lacks of it."""
        return [text for archive in self.archives if (text := archive.lacks(folder))]


def bring(
    published: Published,
    source: Path | None = None,
    url: str | None = None,
    *,
    connections: int = 4,
    pause: float = 1.0,
    timeout: float = 30.0,
) -> list[str]:
    """Bring the files of a data set to ``data/raw/<NAME>/``; what is there already is not touched.

    Args:
        published: the data set.
        source: an archive, a folder of archives or a folder of unpacked files that is already on disk; None downloads.
        url: a mirror, see :meth:`Archive.at`; None is the publisher's address.
        connections: most archives to download at a time.
        pause: seconds before a second attempt.
        timeout: seconds to wait for the server.

    Returns:
        What is still missing, in words; empty after a complete download.

    Raises:
        UsageError: when both a source and an address are given, or the address cannot be one.
        DataError: when the files cannot be had, are damaged or not the published ones.
    """
    if source and url:
        raise UsageError("-from takes what is on disk and -url what is on a server: give one of them")
    raw = raw_folder(published.database)
    raw.mkdir(parents=True, exist_ok=True)
    with only_process(raw.with_name(f".{raw.name}.lock")):
        lacking = [archive for archive in published.archives if archive.lacks(raw)]
        if source is None:
            held = [archive for archive in lacking if (raw / archive.name).is_file()]
            wanted = [Wanted(archive.at(url), raw / archive.name, archive.md5, archive.size) for archive in lacking if archive not in held]
            fetch_all(wanted, advice=published.advice, connections=connections, pause=pause, timeout=timeout)
            for archive in lacking:
                _open(raw / archive.name, archive, raw, check=archive in held)
        else:
            take(source, raw, published, lacking)
        return published.lacks(raw)


def take(source: Path, raw: Path, published: Published, archives: Sequence[Archive]) -> None:
    """Take over what a path on the disk has of a data set's files: an archive, or a folder of archives or unpacked files.

    Args:
        source: the path.
        raw: the data set's folder.
        published: the data set.
        archives: what is wanted of it.

    Raises:
        DataError: when there is nothing of it there, or an archive is damaged or not the published one.
    """
    title = published.title
    if source.is_dir():
        packed = [archive for archive in archives if (source / archive.name).is_file()]
        for archive in packed:
            _open(source / archive.name, archive, raw, check=True)
        loose = take_files(source, raw, placing([part for archive in archives if archive not in packed for part in archive.parts]))
        if archives and not packed and not loose:
            raise DataError(f"{source} holds nothing of {title} that is missing: neither {_named(archives)} nor the files in them")
    elif source.is_file() and (goal := placing([part for archive in archives for part in archive.parts])(source.name)):
        if not (raw / goal).exists():
            take_file(source.resolve(), raw / goal)
    elif source.is_file():
        meant = [archive for archive in archives if archive.name == source.name] or (list(archives) if len(published.archives) == 1 else [])
        if archives and not meant:
            raise DataError(f"{source} is no archive of {title} that is missing: those are {_named(archives)}")
        for archive in meant:
            _open(source, archive, raw, check=True)
    else:
        raise DataError(
            f"there is no file or folder {source}: -from takes an archive of {title}, or a folder of archives or unpacked files"
        )


def take_files(source: Path, raw: Path, place: Place) -> int:
    """Take over the wanted files below a folder.

    Args:
        source: the folder.
        raw: the data set's folder.
        place: where a file goes, relative to that folder, or None for what is not wanted.

    Returns:
        How many wanted files there were.
    """
    found = 0
    top = source.resolve().parent  # the folder's own name may be the first of a pattern
    for folder, folders, names in os.walk(source.resolve()):
        folders.sort()
        for name in sorted(names):
            file = Path(folder, name)
            goal = place(file.relative_to(top).as_posix())
            if goal is not None and file.is_file():
                found += 1
                if not (raw / goal).exists():
                    take_file(file.resolve(), raw / goal)
    return found


def take_file(file: Path, target: Path) -> None:
    """Give a file a second name on the same disk, which costs nothing, or copy it from another one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.hardlink_to(file)
    except OSError:
        with replacing(target) as temporary:
            shutil.copyfile(file, temporary)


def summary(published: Published, missing: Sequence[str]) -> str:
    """Return in words what is there, and the next command.

    Args:
        published: the data set.
        missing: what :func:`bring` returned.
    """
    raw, place = raw_folder(published.database), f"data/raw/{published.database}/"
    if missing:
        return f"{published.title} is incomplete in {place}: {'; '.join(missing)}\n{published.advice}"
    kept = [archive.name for archive in published.archives if (raw / archive.name).is_file()]
    spare = f" ({', '.join(kept)} there may be deleted)" if kept else ""
    return f"{published.title} is complete in {place}{spare}\nnext: {command_line(f'src/data/process/{published.database}.py')}"


def _open(file: Path, archive: Archive, raw: Path, *, check: bool) -> None:
    """Unpack an archive after checking that it is the published one."""
    if check and archive.md5 and (found := digest(file, "md5")) != archive.md5:
        raise DataError(f"{file} is damaged or another version (its MD5 is {found}, not {archive.md5}): delete it and get it again")
    unpack(file, raw, placing(archive.parts), limit=archive.unpacked)


def _named(archives: Sequence[Archive]) -> str:
    return ", ".join(archive.name for archive in archives)
