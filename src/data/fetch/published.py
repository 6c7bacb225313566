"""Datasets that are published as archives: from a server or from the disk to ``data/raw/``."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import DataError, UsageError
from ...runs import only_process, raw_folder, replacing
from ...settings.strict_parser import command_line
from .archives import Part, PathOf, check_md5, path_among, unpack
from .transfer import DownloadRequest, fetch_all


@dataclass(frozen=True)
class Archive:
    """A published archive.

    Args:
        url: its address.
        parts: the files of it that are needed.
        size: most bytes it may have.
        unpacked: most bytes it may unpack to.
        md5: its checksum; None if the publisher states none: then its length and, in a .zip archive, the checksum of each file must do.
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

    def missing(self, folder: Path) -> str | None:
        """Return, in words, how many of its files the directory of a dataset has; None when it has them all."""
        present, expected = (sum(counts) for counts in zip(*((part.present(folder), part.count) for part in self.parts), strict=True))
        return f"{present:,} of {expected:,} files of {self.name}" if present < expected else None

    def at(self, mirror: str | None) -> str:
        """Return its address, or that on a mirror: in the directory that is named, unless the name is the file's own.

        Example:
            >>> archive = Archive("http://images.cocodataset.org/zips/val2014.zip", (), size=0, unpacked=0)
            >>> archive.at("https://mirror.org/coco"), archive.at("https://mirror.org/coco/val2014.zip")
            ('https://mirror.org/coco/val2014.zip', 'https://mirror.org/coco/val2014.zip')
        """
        if mirror is None:
            return self.url
        return mirror if mirror.rstrip("/").endswith(f"/{self.name}") else f"{mirror.rstrip('/')}/{self.name}"

    def unpack(self, file: Path, raw: Path, *, check: bool = True) -> None:
        """Unpack a file after checking that it is this archive.

        Raises:
            DataError: if it is damaged or not the published one.
        """
        if check:
            check_md5(file, self.md5, file)
        unpack(file, raw, path_among(self.parts), limit=self.unpacked)


@dataclass(frozen=True)
class Published:
    """A dataset that is published as archives.

    Args:
        database: its name here.
        title: its name in print.
        archives: what it is published in.
    """

    database: str
    title: str
    archives: tuple[Archive, ...]

    def missing(self, folder: Path) -> list[str]:
        """Return, in words, what a directory lacks of it."""
        return [text for archive in self.archives if (text := archive.missing(folder))]

    def download(self, source: Path | None = None, url: str | None = None, connections: int = 4) -> tuple[str, bool]:
        """Bring it to ``data/raw/<NAME>/``; see :meth:`fetch`.

        Returns:
            What there is to say about it, and whether it is complete.
        """
        missing = self.fetch(source, url, connections=connections)
        return self.summary(missing), not missing

    def fetch(
        self, source: Path | None = None, url: str | None = None, *, connections: int = 4, pause: float = 1.0, timeout: float = 30.0
    ) -> list[str]:
        """Bring its files to ``data/raw/<NAME>/``; files that are there already stay as they are.

        Args:
            source: an archive, a directory of archives or a directory of unpacked files on disk; None downloads.
            url: a mirror, see :meth:`Archive.at`; None is the publisher's address.
            connections: most archives to download at a time.
            pause: seconds before a second attempt.
            timeout: seconds to wait for the server.

        Returns:
            What is still missing, in words; empty after a complete download.

        Raises:
            UsageError: if both a source and an address are given, or the address cannot be one.
            DataError: if files cannot be downloaded, are damaged or not the published ones.
        """
        if source and url:
            raise UsageError("-from takes what is on disk and -url what is on a server: give one of them")
        raw = raw_folder(self.database)
        raw.mkdir(parents=True, exist_ok=True)
        with only_process(raw.with_name(f".{raw.name}.lock")):
            archives = [archive for archive in self.archives if archive.missing(raw)]
            if source is None:
                present = [archive for archive in archives if (raw / archive.name).is_file()]
                requests = [
                    DownloadRequest(archive.at(url), raw / archive.name, archive.md5, archive.size)
                    for archive in archives
                    if archive not in present
                ]
                fetch_all(requests, connections=connections, pause=pause, timeout=timeout)
                for archive in archives:
                    archive.unpack(raw / archive.name, raw, check=archive in present)
            else:
                self._import_local(source, raw, archives)
            return self.missing(raw)

    def summary(self, missing: Sequence[str]) -> str:
        """Return in words what is there, and the next command.

        Args:
            missing: what :meth:`fetch` returned.
        """
        raw, shown, names = raw_folder(self.database), f"data/raw/{self.database}/", self._names(self.archives)
        if missing:
            return (
                f"{self.title} is incomplete in {shown}: {'; '.join(missing)}\n"
                f"put {names} there, or name a directory of them or of the unpacked files with -from PATH, and run the command again"
            )
        spare = [archive.name for archive in self.archives if (raw / archive.name).is_file()]
        remark = f" ({', '.join(spare)} there may be deleted)" if spare else ""
        return f"{self.title} is complete in {shown}{remark}\nnext: {command_line(f'src/data/process/{self.database}.py')}"

    def _import_local(self, source: Path, raw: Path, archives: Sequence[Archive]) -> None:
        """Import what a path on disk has of some archives: an archive, or a directory of archives or unpacked files."""
        parts = [part for archive in archives for part in archive.parts]
        if source.is_dir():
            packed = [archive for archive in archives if (source / archive.name).is_file()]
            for archive in packed:
                archive.unpack(source / archive.name, raw)
            loose = import_files(source, raw, [part for archive in archives if archive not in packed for part in archive.parts])
            if archives and not packed and not loose:
                names = self._names(archives)
                raise DataError(f"{source} holds nothing of {self.title} that is missing: neither {names} nor the files in them")
        elif source.is_file() and path_among(parts)(source.name):
            import_files(source, raw, parts)
        elif source.is_file():
            meant = [archive for archive in archives if archive.name == source.name] or (archives if len(self.archives) == 1 else [])
            if archives and not meant:
                raise DataError(f"{source} is no archive of {self.title} that is missing: those are {self._names(archives)}")
            for archive in meant:
                archive.unpack(source, raw)
        else:
            raise DataError(
                f"there is no file or directory {source}: -from takes an archive of {self.title}, or a directory of archives "
                f"or unpacked files"
            )

    def _names(self, archives: Sequence[Archive]) -> str:
        return ", ".join(archive.name for archive in archives)


def import_files(source: Path, raw: Path, parts: Sequence[Part]) -> int:
    """Import the needed files below a directory, each after checking its checksum.

    Args:
        source: the directory, or a single file.
        raw: the directory of the dataset.
        parts: the needed files.

    Returns:
        How many needed files there were.

    Raises:
        DataError: if a file is not the published one.
    """
    return import_paths(source, raw, path_among(parts), {part.unpacked: part.md5 for part in parts if part.md5})


def import_paths(source: Path, raw: Path, path_of: PathOf, md5: dict[str, str] | None = None) -> int:
    """Import the files below a directory that a function has a path for.

    Args:
        source: the directory, or a single file.
        raw: the directory of the dataset.
        path_of: from a path below ``source``'s parent to one below ``raw``, or None for what is not needed.
        md5: checksums of some of these paths.

    Returns:
        How many there were.

    Raises:
        DataError: if a file has another checksum.
    """
    count = 0
    source = source.resolve()  # its own name may be the first of a pattern
    for file in [source] if source.is_file() else _files_below(source):
        path = path_of(file.relative_to(source.parent).as_posix())
        if path is not None and file.is_file():
            count += 1
            if not (raw / path).exists():
                check_md5(file, (md5 or {}).get(path), file)
                _link_or_copy(file.resolve(), raw / path)
    return count


def _files_below(folder: Path) -> list[Path]:
    return sorted(Path(below, name) for below, _, names in os.walk(folder) for name in names)


def _link_or_copy(file: Path, target: Path) -> None:
    """Give a file a second name on the same disk, which costs nothing, or copy it from another one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.hardlink_to(file)
    except OSError:
        with replacing(target) as temporary:
            shutil.copyfile(file, temporary)
