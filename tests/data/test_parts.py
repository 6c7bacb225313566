"""Unpacking what is wanted of an archive, and nothing else, wherever it tries to go."""

from __future__ import annotations

import io
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biodeephashing.data.fetch import archives
from biodeephashing.data.fetch.members import Part, placing, unpack
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


def test_only_what_is_wanted(tmp_path: Path, pack: Callable[..., Path]) -> None:
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
    unpack(archive, tmp_path / "raw", placing([IMAGES]), limit=1 << 20)
    assert held(tmp_path / "raw") == {"images/1.jpg": NOISE, "images/2.jpg": b"2"}
    assert IMAGES.present(tmp_path / "raw") == 2


def test_goes_on_and_leaves_alone_what_is_there(tmp_path: Path, pack: Callable[..., Path]) -> None:
    archive = pack(("images/1.jpg", b"11"), ("images/2.jpg", b"22"))
    folder = tmp_path / "raw" / "images"
    folder.mkdir(parents=True)
    (folder / "1.jpg").write_bytes(b"xx")  # as long as the one in the archive: taken for it
    (folder / "2.jpg").write_bytes(b"2")
    unpack(archive, tmp_path / "raw", placing([IMAGES]), limit=1 << 20)
    assert held(folder) == {"1.jpg": b"xx", "2.jpg": b"22"}


@pytest.mark.parametrize("name", ["../images/1.jpg", "images/../../images/1.jpg", "/images/1.jpg", "..\\images\\1.jpg", "C:/images/1.jpg"])
def test_paths_that_lead_out(tmp_path: Path, pack: Callable[..., Path], name: str) -> None:
    archive = pack((name, b"out"))
    with pytest.raises(DataError, match=r"is refused: it holds .*leads out of the folder"):
        unpack(archive, tmp_path / "deep" / "raw", placing([IMAGES]), limit=1 << 20)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [archive]


@given(st.lists(st.sampled_from(["..", ".", "images", "a", "", "C:", "~"]), max_size=5).map(lambda parts: "/".join([*parts, "1.jpg"])))
def test_no_place_lies_outside(member: str) -> None:
    place = IMAGES.place(member)
    assert place in (None, "images/1.jpg")


def test_links(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("images/1.jpg")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        member = tarfile.TarInfo("other/name")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc"
        tar.addfile(member)
    for name in ("x.zip", "x.tar"):
        with pytest.raises(DataError, match="is a link or a device, not a file"):
            unpack(tmp_path / name, tmp_path / "raw", placing([IMAGES]), limit=1 << 20)
    assert not (tmp_path / "raw").exists()


@pytest.mark.parametrize("second", ["images/1.jpg", "top/images/1.jpg"])
def test_twice(tmp_path: Path, pack: Callable[..., Path], second: str) -> None:
    archive = pack(("images/1.jpg", b"1"), (f"again/{second}", b"2"))
    with pytest.raises(DataError, match="twice"):
        unpack(archive, tmp_path / "raw", placing([IMAGES]), limit=1 << 20)


def test_twice_for_a_file_system_that_knows_no_cases(tmp_path: Path, pack: Callable[..., Path]) -> None:
    archive = pack(("images/a.jpg", b"1"), ("images/A.jpg", b"2"))
    with pytest.raises(DataError, match="twice"):
        unpack(archive, tmp_path / "raw", placing([IMAGES]), limit=1 << 20)


@pytest.mark.parametrize("wanted", [True, False])
def test_bomb(tmp_path: Path, wanted: bool) -> None:
    for name, packer in PACKERS.items():
        archive = packer(tmp_path / name, ("images/1.jpg" if wanted else "images/1.txt", bytes(5_000_000)))
        if name == "x.zip" and not wanted:
            unpack(archive, tmp_path / "raw", placing([IMAGES]), limit=1 << 20)  # never unpacked at all
            continue
        with pytest.raises(DataError, match="unpacks to more than it may hold"):
            unpack(archive, tmp_path / "raw", placing([IMAGES]), limit=1 << 20)
    assert held(tmp_path / "raw") == {}


def test_bomb_in_pieces(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "x.zip", *((f"images/{number}.jpg", bytes(400_000)) for number in range(5)))
    with pytest.raises(DataError, match="unpacks to more than it may hold"):
        unpack(archive, tmp_path / "raw", placing([IMAGES]), limit=1_000_000)
    assert len(held(tmp_path / "raw")) == 2


def test_zip_that_lies_about_a_length(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "x.zip", ("images/1.jpg", NOISE))
    content = archive.read_bytes()
    length = struct.pack("<L", len(NOISE))
    assert content.count(length) == 2
    archive.write_bytes(content.replace(length, struct.pack("<L", 1000)))
    with pytest.raises(DataError, match=r"is not a whole \.zip archive"):
        unpack(archive, tmp_path / "raw", placing([IMAGES]), limit=1 << 20)
    assert held(tmp_path / "raw") == {}


def test_damage(tmp_path: Path, pack: Callable[..., Path]) -> None:
    """A tar has checksums of its headers only, so a damaged content is found by the archive's own checksum."""
    archive = pack(("images/1.jpg", NOISE), ("images/2.jpg", NOISE))
    whole = archive.read_bytes()
    middle = len(whole) // 4
    damaged = [b"", b"no archive", whole[: len(whole) // 2], whole[:-700] if archive.suffix == ".zip" else whole[: len(whole) // 3]]
    if archive.suffix != ".tar":
        damaged.append(whole[:middle] + b"?????" + whole[middle + 5 :])
    for content in damaged:
        archive.write_bytes(content)
        with pytest.raises(DataError, match=f"is not a whole .*{archive.suffix} archive"):
            unpack(archive, tmp_path / "raw", placing([IMAGES]), limit=1 << 20)
        if b"?????" not in content:
            assert all(file == NOISE for file in held(tmp_path / "raw").values())


def test_more_members_than_a_list_may_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = zipped(tmp_path / "x.zip", *((f"images/{number}.jpg", b"1") for number in range(3)))
    monkeypatch.setattr(archives, "_MOST_MEMBERS", 2)
    with pytest.raises(DataError, match="is refused: it holds 3 files"):
        unpack(archive, tmp_path / "raw", placing([IMAGES]), limit=1 << 20)
    assert held(tmp_path / "raw") == {}
    monkeypatch.setattr(archives, "_MOST_MEMBERS", 3)
    unpack(archive, tmp_path / "raw", placing([IMAGES]), limit=1 << 20)
    assert len(held(tmp_path / "raw")) == 3


def test_encrypted(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "x.zip", ("images/1.jpg", b"secret"))
    content = bytearray(archive.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    archive.write_bytes(content)
    with pytest.raises(DataError, match="is encrypted"):
        unpack(archive, tmp_path / "raw", placing([IMAGES]), limit=1 << 20)


class TestRar:
    """There is no free program that makes a .rar archive; programs that stand in for one that unpacks it are two lines long."""

    WANTED = staticmethod(placing([Part("list.txt", 1)]))

    @pytest.fixture
    def archive(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        (tmp_path / "bin").mkdir()
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
        (tmp_path / "list.rar").write_bytes(b"Rar!\x1a\x07\x00")
        return tmp_path / "list.rar"

    def install(self, archive: Path, script: str) -> None:
        program = archive.parent / "bin" / "bsdtar"
        program.write_text(f'#!/bin/sh\n[ "$1" = -xOf ] && [ "$2" = "{archive}" ] || exit 3\n{script}\n')
        program.chmod(0o755)

    def test_unpacked_by_an_installed_program(self, archive: Path) -> None:
        self.install(archive, "echo some lines")
        unpack(archive, archive.parent / "raw", self.WANTED, limit=100)
        assert held(archive.parent / "raw") == {"list.txt": b"some lines\n"}

    def test_no_program(self, archive: Path) -> None:
        with pytest.raises(DataError, match=r"needs bsdtar, unrar, 7z to be unpacked, and none of them is installed: .*-from"):
            unpack(archive, archive.parent / "raw", self.WANTED, limit=100)

    def test_program_that_fails(self, archive: Path) -> None:
        self.install(archive, "echo half; exit 1")
        with pytest.raises(DataError, match=r"is not a whole \.rar archive"):
            unpack(archive, archive.parent / "raw", self.WANTED, limit=100)
        assert held(archive.parent / "raw") == {}

    def test_bomb(self, archive: Path) -> None:
        self.install(archive, "while :; do echo and more; done")
        with pytest.raises(DataError, match="unpacks to more than it may hold"):
            unpack(archive, archive.parent / "raw", self.WANTED, limit=100_000)
        assert held(archive.parent / "raw") == {}
