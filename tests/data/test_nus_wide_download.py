"""NUS-WIDE, photograph by photograph, from a server where some are gone, some are pages, and some come only at the second request."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

import pytest
from flaky_site import Site, answering, breaking_after, chunked, page, redirecting, stalling, together, without_length
from PIL import Image

from biodeephashing.cli import main
from biodeephashing.data.fetch import photos
from biodeephashing.data.fetch.photos import Failure, Photo, fetch_photos, read_table, write_table
from biodeephashing.data.sets import NUS_WIDE
from biodeephashing.data.sets.NUS_WIDE import read_photos
from biodeephashing.errors import DataError, UsageError


def jpeg(number: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (40, 30), (number, 100, 200)).save(stream, "JPEG")
    return stream.getvalue()


PHOTOS = {f"000{number}_{number}.jpg": jpeg(number) for number in range(1, 6)}


def png() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (500, 374), (200, 200, 200)).save(stream, "PNG")
    return stream.getvalue()


class Downloads:
    """A folder for photographs and a table for those that could not be had."""

    def __init__(self, folder: Path) -> None:
        self.images, self.table = folder / "images", folder / "missing.csv"

    def fetch(self, url: str, *names: str, connections: int = 1, **details: float) -> dict[str, Failure]:
        listed = [Photo(name, (f"{url}/{name}",)) for name in names or PHOTOS]
        known = read_table(self.table)
        return fetch_photos(listed, self.images, self.table, known, connections=connections, **{"pause": 0, "timeout": 5, **details})  # type: ignore[arg-type]

    def held(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.images.iterdir()}

    def rows(self) -> list[list[str]]:
        return list(csv.reader(self.table.open(newline="")))[1:]


@pytest.fixture
def downloads(tmp_path: Path) -> Downloads:
    return Downloads(tmp_path)


class TestList:
    def test_published_format(self, tmp_path: Path) -> None:
        file = tmp_path / "urls.txt"
        file.write_bytes(
            b"%%%%%%%%%%Photo_file    Photo_id    url_Large   url_Middle   url_Small  url_Original%%%%%%%\r\n"
            b"C:\\ImageData\\Flickr\\actor\\0001_2124494179.jpg   2124494179  http://a/L.jpg http://a/M.jpg http://a/S.jpg null \r\n"
            b"C:\\ImageData\\Flickr\\actor\\0002_174174086.jpg   174174086  null null null null\r\n"
            b"\r\n"
            b"C:\\ImageData\\Flickr\\zoos\\0001_7.jpg 7 http://b/L.jpg null null http://b/O.jpg\r\n"
            b"C:\\ImageData\\Flickr\\zoos\\0001_7.jpg 7 http://again/L.jpg null null null\r\n"
            b"C:\\ImageData\\Flickr\\zoos\\0002_8.jpg 8 http://c/only.jpg\r\n"
            b"something else\r\n"
            b"..\\..\\..hidden.jpg 9 http://d/x.jpg\r\n"
            b"C:\\ImageData\\Flickr\\zoos\\0003_9.jpg 9 file:///etc/passwd null ftp://d/x.jpg null\r\n"
        )
        listed, unreadable = read_photos(file)
        assert listed == [
            Photo("0001_2124494179.jpg", ("http://a/M.jpg", "http://a/L.jpg", "http://a/S.jpg")),
            Photo("0002_174174086.jpg", ()),
            Photo("0001_7.jpg", ("http://b/L.jpg", "http://b/O.jpg")),
            Photo("0002_8.jpg", ("http://c/only.jpg",)),
            Photo("0003_9.jpg", ()),
        ]
        assert [failure.file for failure in unreadable] == ["line 8", "line 9"]

    @pytest.mark.parametrize("content", ["", "one\ntwo\n", "<html>404</html>"])
    def test_something_else(self, tmp_path: Path, content: str) -> None:
        (tmp_path / "urls.txt").write_text(content)
        with pytest.raises(DataError, match="holds no photographs"):
            read_photos(tmp_path / "urls.txt")


def test_table(tmp_path: Path) -> None:
    failures = {name: Failure(name, "http://x/a,b", 'he said "no",\nthen hung up', name == "b.jpg") for name in ("b.jpg", "a.jpg")}
    write_table(tmp_path / "t.csv", failures)
    assert read_table(tmp_path / "t.csv") == failures
    assert (tmp_path / "t.csv").read_text().startswith("file,url,reason,final\na.jpg,")
    assert read_table(tmp_path / "none.csv") == {}


class TestFetching:
    def test_all_at_once(self, site: Site, downloads: Downloads) -> None:
        meeting = together(5)
        url = site.serve_files(PHOTOS, {name: [meeting] for name in PHOTOS})
        assert downloads.fetch(url, connections=5, timeout=20) == {}
        assert downloads.held() == PHOTOS
        assert downloads.rows() == []

    def test_second_time_only_what_is_missing(self, site: Site, downloads: Downloads) -> None:
        url = site.serve_files(PHOTOS)
        downloads.fetch(url, "0001_1.jpg", "0002_2.jpg")
        downloads.fetch(url)
        assert site.requested == list(PHOTOS)
        assert downloads.held() == PHOTOS

    @pytest.mark.parametrize(
        "manners", [[answering(503)], [answering(429), answering(500)], [breaking_after(100)], [stalling], [chunked(last=False)]]
    )
    def test_asked_again(self, site: Site, downloads: Downloads, manners: list[object]) -> None:
        url = site.serve_files(PHOTOS, {"0003_3.jpg": manners})  # type: ignore[dict-item]
        assert downloads.fetch(url, timeout=0.5) == {}
        assert downloads.held() == PHOTOS

    @pytest.mark.parametrize("manner", [without_length, chunked(last=True)])
    def test_whole_without_a_length(self, site: Site, downloads: Downloads, manner: object) -> None:
        assert downloads.fetch(site.serve_files(PHOTOS, {"0003_3.jpg": [manner]})) == {}  # type: ignore[list-item]
        assert downloads.held() == PHOTOS

    def test_cut_without_a_length(self, site: Site, downloads: Downloads) -> None:
        def cut(handler, body: bytes, start: int) -> None:  # type: ignore[no-untyped-def]
            without_length(handler, body[:-20], start)

        failures = downloads.fetch(site.serve_files(PHOTOS, {"0003_3.jpg": [cut] * 3}))
        assert [(f.file, f.final) for f in failures.values()] == [("0003_3.jpg", False)]
        assert "0003_3.jpg" not in downloads.held()

    @pytest.mark.parametrize(
        ("manner", "reason"),
        [
            (answering(404), "the server answered 404 Not Found"),
            (page(404), "the server answered 404 Not Found"),
            (answering(410), "the server answered 410 Gone"),
            (page(), "the server sent a web page in place of the photograph"),
            (redirecting("/photo_unavailable.png"), "Flickr shows its image for photographs that are not available"),
            (redirecting("/photo_unavailable_m.gif"), "Flickr shows its image for photographs that are not available"),
            (redirecting("/grey.png"), "what the server sent is not a JPEG image"),
            (redirecting("file:///etc/passwd"), "redirects to file:///etc/passwd, which is not followed: it leaves http for file"),
        ],
    )
    def test_gone(self, site: Site, downloads: Downloads, manner: object, reason: str) -> None:
        stand_ins = {"photo_unavailable.png": png(), "photo_unavailable_m.gif": PHOTOS["0001_1.jpg"], "grey.png": png()}
        url = site.serve_files({**PHOTOS, **stand_ins}, {"0003_3.jpg": [manner]})  # type: ignore[list-item]
        failures = downloads.fetch(url)
        assert list(failures) == ["0003_3.jpg"]
        assert failures["0003_3.jpg"].reason.endswith(reason)
        assert set(downloads.held()) == set(PHOTOS) - {"0003_3.jpg"}
        assert downloads.rows() == [["0003_3.jpg", f"{url}/0003_3.jpg", failures["0003_3.jpg"].reason, "yes"]]
        before = len(site.requested)
        assert downloads.fetch(url) == failures  # known to be gone: not requested again
        assert len(site.requested) == before

    def test_may_come_later(self, site: Site, downloads: Downloads) -> None:
        url = site.serve_files(PHOTOS, {"0003_3.jpg": [answering(503)] * 3})
        failures = downloads.fetch(url)
        assert downloads.rows() == [["0003_3.jpg", f"{url}/0003_3.jpg", "the server answered 503 Service Unavailable", "no"]]
        assert not failures["0003_3.jpg"].final
        assert downloads.fetch(url) == {}
        assert downloads.rows() == []
        assert downloads.held() == PHOTOS

    def test_next_size(self, site: Site, downloads: Downloads) -> None:
        url = site.serve_files({"small.jpg": PHOTOS["0001_1.jpg"]})
        photo = Photo("0001_1.jpg", (f"{url}/middle.jpg", f"{url}/large.jpg", f"{url}/small.jpg"))
        assert fetch_photos([photo], downloads.images, downloads.table, {}, pause=0) == {}
        assert site.requested == ["middle.jpg", "large.jpg", "small.jpg"]

    def test_one_size_may_come_later(self, site: Site, downloads: Downloads) -> None:
        url = site.serve_files({"small.jpg": b""}, {"small.jpg": [answering(503)] * 3})
        photo = Photo("0001_1.jpg", (f"{url}/middle.jpg", f"{url}/small.jpg"))
        failures = fetch_photos([photo], downloads.images, downloads.table, {}, pause=0)
        assert failures == {"0001_1.jpg": Failure("0001_1.jpg", f"{url}/small.jpg", "the server answered 503 Service Unavailable", False)}

    def test_no_address(self, downloads: Downloads) -> None:
        failures = fetch_photos([Photo("0001_1.jpg", ())], downloads.images, downloads.table, {})
        assert failures == {"0001_1.jpg": Failure("0001_1.jpg", "", "the list has no address", True)}

    def test_too_large(self, site: Site, downloads: Downloads, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(photos, "_LARGEST", 100)
        failures = downloads.fetch(site.serve_files(PHOTOS), "0001_1.jpg")
        assert failures["0001_1.jpg"].reason == "what the server sent has more than 100 bytes"

    def test_no_network(self, downloads: Downloads, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setattr(photos, "_FAILURES", 3)
        with pytest.raises(DataError, match=r"3 photographs in a row could not be downloaded, the last one from http://127\.0\.0\.1:9/000"):
            downloads.fetch("http://127.0.0.1:9")
        assert [row[3] for row in downloads.rows()] == ["no"] * 3

    def test_interrupted(self, site: Site, downloads: Downloads, monkeypatch: pytest.MonkeyPatch) -> None:
        """Ctrl-C while the fourth is on its way: three are there, what is gone is in the table, and nothing is half there."""
        real = photos._get

        def get(url: str, *rest: object) -> bytes:
            if "0004" in url:
                raise KeyboardInterrupt
            return real(url, *rest)  # type: ignore[arg-type]

        monkeypatch.setattr(photos, "_get", get)
        url = site.serve_files(PHOTOS, {"0002_2.jpg": [answering(404)]})
        with pytest.raises(KeyboardInterrupt):
            downloads.fetch(url)
        assert {"0001_1.jpg", "0003_3.jpg"} <= set(downloads.held()) <= {"0001_1.jpg", "0003_3.jpg", "0005_5.jpg"}
        assert all(content == PHOTOS[name] for name, content in downloads.held().items())
        assert [row[0] for row in downloads.rows()] == ["0002_2.jpg"]
        monkeypatch.setattr(photos, "_get", real)
        assert list(downloads.fetch(url)) == ["0002_2.jpg"]
        assert len(downloads.held()) == 4

    def test_no_connections(self, downloads: Downloads) -> None:
        with pytest.raises(UsageError, match="0 connections"):
            downloads.fetch("http://127.0.0.1:9", connections=0)


def lists() -> dict[str, bytes]:
    """The archives of the lists, for five photographs of which the last one has no address."""
    labels = {f"Groundtruth/AllLabels/Labels_{number:02d}.txt": b"0\n1\n0\n1\n0\n" for number in range(81)}
    names = "".join(f"sky\\{name}\n" for name in PHOTOS).encode()
    packed = {}
    for archive, files in {
        "Groundtruth.zip": labels,
        "ImageList.zip": {"ImageList/Imagelist.txt": names},
        "ConceptsList.zip": {"ConceptsList/Concepts81.txt": b"sky\n"},
    }.items():
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as opened:
            for name, content in files.items():
                opened.writestr(name, content)
        packed[archive] = stream.getvalue()
    return packed


def urls(url: str) -> str:
    lines = [f"C:\\ImageData\\Flickr\\sky\\{name} {name[5]} null {url}/{name} null null\n" for name in PHOTOS]
    return "".join([*lines[:-1], lines[-1].replace(f"{url}/0005_5.jpg", "null")])


class TestAll:
    def test_to_the_end(self, project_home: Path, site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        url = site.serve_files(PHOTOS, {"0002_2.jpg": [answering(404)]})
        source = tmp_path / "elsewhere"
        source.mkdir()
        for name, content in lists().items():
            (source / name).write_bytes(content)
        assert main(["download", "NUS_WIDE", "-from", str(source)]) == 1
        assert "NUS-WIDE is incomplete in data/raw/NUS_WIDE/: 0 of 1 files of NUS-WIDE-urls.rar" in capsys.readouterr().out
        assert site.requested == []
        (source / "NUS-WIDE-urls.txt").write_text(urls(url))
        assert main(["download", "NUS_WIDE", "-from", str(source / "NUS-WIDE-urls.txt"), "-connections", "2"]) == 0
        assert capsys.readouterr().out == (
            "3 photographs of NUS-WIDE are in data/raw/NUS_WIDE/images/\n"
            "2 could not be had; data/raw/NUS_WIDE/images_missing.csv says why\n"
            "NUS-WIDE is complete in data/raw/NUS_WIDE/\nnext: biodeephashing prepare NUS_WIDE\n"
        )
        raw = project_home / "data" / "raw" / "NUS_WIDE"
        assert {path.name for path in (raw / "images").iterdir()} == {"0001_1.jpg", "0003_3.jpg", "0004_4.jpg"}
        assert len(list((raw / "AllLabels").iterdir())) == 81
        assert main(["download", "NUS_WIDE", "-again"]) == 0
        assert "4 photographs" in capsys.readouterr().out

    def test_lists_from_a_mirror_and_photographs_from_another(self, project_home: Path, site: Site, tmp_path: Path) -> None:
        (tmp_path / "NUS-WIDE-urls.txt").write_text(urls("http://127.0.0.1:9"))
        assert len(NUS_WIDE.fetch(tmp_path / "NUS-WIDE-urls.txt")[0]) == 3
        url = site.serve_files({**lists(), **PHOTOS})
        assert NUS_WIDE.fetch(url=url, images=f"{url}/", pause=0) == ([], 5, {})
        tags = io.BytesIO()
        with zipfile.ZipFile(tags, "w") as opened:
            for name in ("All_Tags", "AllTags1k", "TagList1k", "AllTags81"):
                opened.writestr(f"NUS_WID_Tags/{name}.txt", "7 sea\n")
        url = site.serve_files({"NUS_WID_Tags.zip": tags.getvalue()})
        assert NUS_WIDE.fetch(url=url, tags=True, pause=0)[0] == []
        folder = project_home / "data" / "raw" / "NUS_WIDE" / "NUS_WID_Tags"
        assert sorted(path.name for path in folder.iterdir()) == ["AllTags1k.txt", "All_Tags.txt", "TagList1k.txt"]

    def test_photographs_that_are_on_disk(self, project_home: Path, site: Site, tmp_path: Path) -> None:
        """Lists come from the server, two photographs from the disk (one of them has no address any more), three from Flickr."""
        old = tmp_path / "old" / "Flickr" / "sky"
        old.mkdir(parents=True)
        for name in ("0001_1.jpg", "0005_5.jpg"):
            (old / name).write_bytes(PHOTOS[name])
        (old / "cover.jpg").write_bytes(b"something else")
        (tmp_path / "NUS-WIDE-urls.txt").write_text(urls(site.serve_files(PHOTOS)))
        for name, content in lists().items():
            (tmp_path / name).write_bytes(content)
            assert len(NUS_WIDE.fetch(tmp_path / name)[0]) > 0
        assert NUS_WIDE.fetch(tmp_path / "NUS-WIDE-urls.txt", connections=1)[1] == 4
        images = project_home / "data" / "raw" / "NUS_WIDE" / "images"
        (images / "0001_1.jpg").unlink()
        before = len(site.requested)
        assert NUS_WIDE.fetch(tmp_path / "old") == ([], 5, {})
        assert sorted(path.name for path in images.iterdir()) == sorted(PHOTOS)
        assert len(site.requested) == before
