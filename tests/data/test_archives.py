"""Archives that try to write where they should not, or are not what they claim to be."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from biodeephashing.data.fetch.archives import members
from biodeephashing.errors import DataError


def pack(file: Path, *entries: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(file, "w:gz") as tar:
        for info, content in entries:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return file


def entry(name: str, content: bytes = b"content", **attributes: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    for key, value in attributes.items():
        setattr(info, key, value)
    return info, content


def unpacked(archive: Path, limit: int = 1 << 20) -> dict[str, bytes]:
    return {name: stream.read() for name, stream in members(archive, "folder", ["a", "b"], limit=limit)}


@pytest.mark.parametrize("prefix", ["", "./"])
def test_good_archive(tmp_path: Path, prefix: str) -> None:
    folder = entry(f"{prefix}folder", b"", type=tarfile.DIRTYPE)
    archive = pack(tmp_path / "x.tar.gz", folder, entry(f"{prefix}folder/b", b"2"), entry(f"{prefix}folder/a", b"1" * 99_999))
    assert unpacked(archive) == {"b": b"2", "a": b"1" * 99_999}


@pytest.mark.parametrize(
    "bad",
    [
        entry("folder/../../a"),
        entry("../a"),
        entry("/folder/a"),
        entry("/etc/passwd"),
        entry("a"),
        entry("other/a"),
        entry("folder/sub/a"),
        entry("folder/c"),
        entry("folder\\a"),
        entry("folder/a", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        entry("folder/a", b"", type=tarfile.LNKTYPE, linkname="folder/b"),
        entry("folder/a", b"", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
        entry("folder/a", b"", type=tarfile.BLKTYPE),
        entry("folder/a", b"", type=tarfile.FIFOTYPE),
        entry("folder/a", b"", type=tarfile.DIRTYPE),
        entry("elsewhere", b"", type=tarfile.DIRTYPE),
    ],
    ids=lambda bad: f"{bad[0].name}-{bad[0].type.decode()}",
)
def test_bad_member(tmp_path: Path, bad: tuple[tarfile.TarInfo, bytes]) -> None:
    archive = pack(tmp_path / "x.tar.gz", bad)
    with pytest.raises(DataError, match="is refused"):
        unpacked(archive)
    assert [path.name for path in tmp_path.iterdir()] == ["x.tar.gz"]


def test_member_twice(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds 'folder/a' twice"):
        unpacked(pack(tmp_path / "x.tar.gz", entry("folder/a"), entry("folder/a")))


def test_bomb(tmp_path: Path) -> None:
    archive = pack(tmp_path / "x.tar.gz", entry("folder/a", bytes(5_000_000)))
    assert archive.stat().st_size < 10_000
    with pytest.raises(DataError, match="unpacks to more than it may"):
        unpacked(archive)


def test_bomb_in_a_header(tmp_path: Path) -> None:
    """A file name of 5 MB lies in an extended header, which is read before anything is known of the member."""
    archive = tmp_path / "x.tar.gz"
    with tarfile.open(archive, "w:gz", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(tarfile.TarInfo("folder/" + "x" * 5_000_000))
    with pytest.raises(DataError, match="unpacks to more than it may"):
        unpacked(archive)


def test_not_an_archive(tmp_path: Path) -> None:
    good = pack(tmp_path / "good.tar.gz", entry("folder/a", bytes(range(256)) * 300)).read_bytes()
    for number, content in enumerate(
        [b"", b"no archive", good[: len(good) // 2], good[:-4], good[:30] + b"?????" + good[35:], gzip.compress(b"text" * 999)]
    ):
        archive = tmp_path / f"{number}.tar.gz"
        archive.write_bytes(content)
        with pytest.raises(DataError, match=r"is not a whole \.tar\.gz archive"):
            assert not unpacked(archive)
