"""Unpacking what is needed of an archive, and nothing else, wherever it tries to go."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biodeephashing.data.fetch.archives import Part, path_among, unpack
from biodeephashing.errors import DataError

Entry = tuple[str, bytes]
IMAGES = Part("images/*.jpg", 2)
NOISE = bytes(range(256)) * 300


def zipped(file: Path, *entries: Entry) -> Path:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(zipfile.ZipInfo(name) if name.endswith("/") else name, content)
    return file


def tarred(file: Path, *entries: Entry) -> Path:
    with tarfile.open(file, "w:gz" if file.suffix == ".gz" else "w") as archive:
        for name, content in entries:
            info = tarfile.TarInfo(name.rstrip("/"))
            info.size = len(content)
            if name.endswith("/"):
                info.type = tarfile.DIRTYPE
            archive.addfile(info, io.BytesIO(content))
    return file


PACKERS = {"x.zip": zipped, "x.tar": tarred, "x.tar.gz": tarred}


@pytest.fixture(params=PACKERS)
def pack(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Path]:
    return lambda *entries: PACKERS[request.param](tmp_path / request.param, *entries)


def held(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def unpacked(archive: Path, limit: int = 1 << 20) -> dict[str, bytes]:
    folder = archive.parent / "raw"
    unpack(archive, folder, path_among([IMAGES]), limit=limit)
    return held(folder)


def test_only_what_is_needed(pack: Callable[..., Path]) -> None:
    archive = pack(
        ("top/", b""),
        ("top/images/", b""),
        ("top/images/1.jpg", NOISE),
        ("top/images/2.jpg", b"2"),
        ("top/images/notes.txt", b"no"),
        ("top/images/.hidden.jpg", b"no"),
        ("top/more/3.jpg", b"no"),
        ("__MACOSX/images/1.jpg", b"no"),
    )
    assert unpacked(archive) == {"images/1.jpg": NOISE, "images/2.jpg": b"2"}
    assert IMAGES.present(archive.parent / "raw") == 2


def test_resumes_and_leaves_what_is_there(pack: Callable[..., Path]) -> None:
    archive = pack(("images/1.jpg", b"11"), ("images/2.jpg", b"22"))
    folder = archive.parent / "raw" / "images"
    folder.mkdir(parents=True)
    (folder / "1.jpg").write_bytes(b"xx")  # as long as the one in the archive: left as it is
    (folder / "2.jpg").write_bytes(b"2")
    assert unpacked(archive) == {"images/1.jpg": b"xx", "images/2.jpg": b"22"}


@pytest.mark.parametrize("name", ["../images/1.jpg", "images/../../images/1.jpg", "/images/1.jpg", "..\\images\\1.jpg", "C:/images/1.jpg"])
def test_paths_that_lead_out(pack: Callable[..., Path], name: str) -> None:
    with pytest.raises(DataError, match=r"is refused: it holds .*leads out of the directory"):
        unpacked(pack((name, b"out")))


@given(st.lists(st.sampled_from(["..", ".", "images", "a", "", "C:", "~"]), max_size=5).map(lambda parts: "/".join([*parts, "1.jpg"])))
def test_no_path_lies_outside(member: str) -> None:
    assert IMAGES.path_of(member) in (None, "images/1.jpg")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_left_out(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        member = tarfile.TarInfo("images/1.jpg")
        member.type, member.linkname = kind, "/etc/passwd"
        tar.addfile(member)
    assert unpacked(tmp_path / "x.tar") == {}


@pytest.mark.parametrize("second", ["top/images/1.jpg", "images/1.JPG"])
def test_twice(pack: Callable[..., Path], second: str) -> None:
    with pytest.raises(DataError, match="twice"):
        unpack(archive := pack(("images/1.jpg", b"1"), (f"again/{second}", b"2")), archive.parent / "raw", _any_case, limit=99)


def _any_case(member: str) -> str:
    return f"images/{member.rpartition('/')[2]}"


def test_bomb(pack: Callable[..., Path]) -> None:
    archive = pack(*((f"images/{number}.jpg", bytes(400_000)) for number in range(5)))
    with pytest.raises(DataError, match="unpacks to more than it may hold"):
        unpacked(archive, limit=1_000_000)
    assert len(held(archive.parent / "raw")) == 2


def test_damage(pack: Callable[..., Path]) -> None:
    """A tar has checksums of its headers only, so a damaged content is detected by gzip's checksum, at its very end."""
    archive = pack(("images/1.jpg", NOISE), ("images/2.jpg", NOISE))
    whole = archive.read_bytes()
    middle = len(whole) // 4
    damaged = [b"", b"no archive", gzip.compress(b"text" * 999), whole[: len(whole) // 2], whole[: len(whole) // 3]]
    if archive.suffix == ".gz":
        damaged.append(whole[:-4])
    if archive.suffix != ".tar":
        damaged.append(whole[:middle] + b"?????" + whole[middle + 5 :])
    for content in damaged:
        archive.write_bytes(content)
        with pytest.raises(DataError, match="is not a whole archive"):
            unpacked(archive)
        if b"?????" not in content:
            assert all(file == NOISE for file in held(archive.parent / "raw").values())


def test_encrypted(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "x.zip", ("images/1.jpg", b"secret"))
    content = bytearray(archive.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    archive.write_bytes(content)
    with pytest.raises(DataError, match="is encrypted"):
        unpacked(archive)


class TestRar:
    """There is no free program that makes a .rar archive; programs that stand in for one that unpacks it are two lines long."""

    @pytest.fixture
    def archive(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        (tmp_path / "bin").mkdir()
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
        (tmp_path / "list.rar").write_bytes(b"Rar!\x1a\x07\x00")
        return tmp_path / "list.rar"

    def unpacked(self, archive: Path, script: str = "") -> dict[str, bytes]:
        if script:
            program = archive.parent / "bin" / "bsdtar"
            program.write_text(f'#!/bin/sh\n[ "$1" = -xOf ] && [ "$2" = "{archive}" ] || exit 3\n{script}\n')
            program.chmod(0o755)
        try:
            unpack(archive, archive.parent / "raw", path_among([Part("list.txt")]), limit=100)
        finally:
            files = held(archive.parent / "raw")
        return files

    def test_unpacked_by_an_installed_program(self, archive: Path) -> None:
        assert self.unpacked(archive, "echo some lines") == {"list.txt": b"some lines\n"}

    def test_no_program(self, archive: Path) -> None:
        with pytest.raises(DataError, match=r"needs bsdtar, unrar, 7z to be unpacked, and none of them is installed: .*-from"):
            self.unpacked(archive)

    def test_program_that_fails(self, archive: Path) -> None:
        with pytest.raises(DataError, match=r"is not a whole archive \(the volume is damaged"):
            self.unpacked(archive, "echo half; echo the volume is damaged >&2; exit 1")
        assert held(archive.parent / "raw") == {}
