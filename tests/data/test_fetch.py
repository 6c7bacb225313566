"""Downloading from a server that breaks off, lies, stalls and serves wrong bytes."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.client import RemoteDisconnected
from pathlib import Path

import pytest
import requests
from flaky_site import (
    Site,
    answering,
    breaking_after,
    chunked,
    claiming,
    corrupt,
    page,
    redirecting,
    stalling,
    together,
    without_length,
    without_ranges,
    wrong_part,
)
from urllib3.exceptions import ProtocolError

from biodeephashing.data.fetch.transfer import DownloadRequest, Session, fetch, fetch_all, in_parallel, reason
from biodeephashing.errors import DataError, UsageError

BODY = hashlib.shake_128(b"a file").digest(300_000)
MD5 = hashlib.md5(BODY).hexdigest()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "raw" / "file.tar.gz"


def get(url: str, target: Path, md5: str | None = MD5, **details: float) -> None:
    request = DownloadRequest(url, target, md5, int(details.pop("limit", 1 << 28)))
    fetch(request, **{"pause": 0, "timeout": 5, **details})  # type: ignore[arg-type]


def only_the_file(target: Path) -> bool:
    return target.read_bytes() == BODY and [path.name for path in target.parent.iterdir()] == [target.name]


@pytest.mark.parametrize("md5", [MD5, None])
@pytest.mark.parametrize(
    ("manners", "starts"),
    [
        ([], [0]),
        ([breaking_after(50_000)] * 5, [0, 50_000, 100_000, 150_000, 200_000, 250_000]),
        ([breaking_after(50_000), without_ranges], [0, 50_000]),
        ([breaking_after(50_000), wrong_part], [0, 50_000, 0]),
        ([answering(500), answering(429)], [0, 0, 0]),
        ([stalling], [0, 0]),
        ([chunked(last=True)], [0]),
    ],
    ids=["well", "breaks off", "no ranges", "wrong part", "busy", "stalls", "chunks"],
)
def test_a_bad_line_in_the_end_brings_the_file(site: Site, target: Path, manners: list, starts: list[int], md5: str | None) -> None:
    get(site.serve(BODY, *manners), target, md5, timeout=0.3)
    assert only_the_file(target)
    assert site.starts == starts


@pytest.mark.parametrize("md5", [MD5, None])
@pytest.mark.parametrize("part", [BODY[:123_456], BODY, BODY + b"more"], ids=["begun", "whole", "too long"])
def test_resumes_an_earlier_attempt(site: Site, target: Path, part: bytes, md5: str | None) -> None:
    target.parent.mkdir()
    target.with_name("file.tar.gz.part").write_bytes(part)
    get(site.serve(BODY), target, md5)
    assert only_the_file(target)
    assert site.starts == [len(part), *([0] if len(part) > len(BODY) else [])]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            ProtocolError("Connection broken: IncompleteRead(3 bytes read)", ValueError("IncompleteRead(3 bytes read)")),
            "Connection broken: Inc",
        ),
        (ProtocolError("Connection aborted.", RemoteDisconnected("it hung up")), "Connection aborted: it hung up"),
        (OSError(111, "Connection refused"), "[Errno 111] Connection refused"),
        (ValueError(), ""),
    ],
)
def test_the_reason_is_a_sentence(error: Exception, words: str) -> None:
    assert reason(requests.ConnectionError(error)).startswith(words)


def test_a_length_that_never_comes(site: Site, target: Path) -> None:
    with pytest.raises(DataError, match=r"\.gz: Connection broken: IncompleteRead\(300000 bytes read, .* \(300,000 bytes have arrived"):
        get(site.serve(BODY, *[claiming(400_000)] * 9), target)


def test_foreign_part_is_started_over_once(site: Site, target: Path) -> None:
    target.parent.mkdir()
    target.with_name("file.tar.gz.part").write_bytes(b"x" * 1000)
    get(site.serve(BODY), target)
    assert only_the_file(target)
    assert site.starts == [1000, 0]


def test_length_announced_too_short(site: Site, target: Path) -> None:
    with pytest.raises(DataError, match=f"is not the published file .its MD5 is .*, not {MD5}"):
        get(site.serve(BODY, claiming(1000)), target)
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("manners", [[corrupt], [breaking_after(50_000), corrupt, corrupt]])
def test_corrupt_bytes(site: Site, target: Path, manners: list[object]) -> None:
    with pytest.raises(DataError, match="its MD5 is"):
        get(site.serve(BODY, *manners), target)  # type: ignore[arg-type]
    assert list(target.parent.iterdir()) == []


def test_corrupt_and_broken_for_ever_comes_to_an_end(site: Site, target: Path) -> None:
    with pytest.raises(DataError, match="its MD5 is"):
        get(site.serve(bytes(len(BODY)), *[breaking_after(200_000)] * 20), target)
    assert len(site.starts) == 2


@pytest.mark.parametrize("status", [404, 403, 410])
def test_refusal_is_final(site: Site, target: Path, status: int) -> None:
    with pytest.raises(DataError, match=f"the server answered {status} "):
        get(site.serve(BODY, answering(status)), target)
    assert site.starts == [0]


def test_no_progress_gives_up_and_keeps_the_part(site: Site, target: Path) -> None:
    with pytest.raises(DataError, match=r"\(1,000 bytes have arrived"):
        get(site.serve(BODY, breaking_after(1000), *[breaking_after(0)] * 10), target)
    assert len(site.starts) == 5
    assert target.with_name("file.tar.gz.part").read_bytes() == BODY[:1000]
    get(site.serve(BODY), target)
    assert only_the_file(target)


def test_too_large(site: Site, target: Path) -> None:
    with pytest.raises(DataError, match="more than 1,000 bytes"):
        get(site.serve(BODY), target, limit=1000)
    assert list(target.parent.iterdir()) == []


def test_no_network(target: Path) -> None:
    """The message names the file to fetch by hand and where to put it; what then happens, test_raw shows."""
    with pytest.raises(DataError, match=rf"cannot download http://127.*refused.* fetch file\.tar\.gz elsewhere, put it at {target}"):
        get("http://127.0.0.1:9/x", target)


@pytest.mark.parametrize("url", ["nonsense", "ftp://127.0.0.1/x", "http://"])
def test_no_address(target: Path, url: str) -> None:
    with pytest.raises(UsageError, match="is not an address to download from"):
        get(url, target)


class TestWithoutChecksum:
    """Where nobody published a checksum, the length that the server announces must do."""

    @pytest.mark.parametrize("manner", [breaking_after(0), claiming(len(BODY) + 1), chunked(last=False)])
    def test_a_part_never_passes_for_the_whole(self, site: Site, target: Path, manner: object) -> None:
        with pytest.raises(DataError, match="cannot download"):
            get(site.serve(BODY, *[manner, *[answering(503)] * 10]), target, None)  # type: ignore[list-item]
        assert not target.exists()

    def test_no_length_at_all(self, site: Site, target: Path) -> None:
        with pytest.raises(DataError, match="does not say how long it is"):
            get(site.serve(BODY, without_length), target, None)
        assert not target.exists()
        get(site.serve(BODY, without_length), target)  # the checksum says as much as a length
        assert only_the_file(target)


def test_a_web_page_is_not_the_file(site: Site, target: Path) -> None:
    with pytest.raises(DataError, match=r"sent a web page in place of the file"):
        get(site.serve(BODY, page()), target)
    assert list(target.parent.iterdir()) == []


def test_what_is_announced_as_too_large_is_not_even_begun(site: Site, target: Path) -> None:
    with pytest.raises(DataError, match="more than 1,000 bytes"):
        get(site.serve(BODY, claiming(1 << 40)), target, limit=1000)
    assert list(target.parent.iterdir()) == []


def test_redirection(site: Site, target: Path) -> None:
    url = site.serve(BODY)
    site.serve(BODY, redirecting(url), redirecting("/elsewhere"))
    get(url, target)
    assert only_the_file(target)
    assert site.requested == ["cifar-10-python.tar.gz", "cifar-10-python.tar.gz", "elsewhere"]


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/"])
def test_redirection_to_something_else_is_not_followed(site: Site, target: Path, location: str) -> None:
    with pytest.raises(DataError, match=f"redirects to {location}, which is not followed: it leaves http for"):
        get(site.serve(BODY, redirecting(location)), target)
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize(("old", "new", "followed"), [("http", "https", True), ("https", "https", True), ("https", "http", False)])
def test_redirection_from_an_encrypted_line(old: str, new: str, followed: bool) -> None:
    response = requests.Response()
    response.status_code, response.url, response.headers["Location"] = 302, f"{old}://a.org/x", f"{new}://b.org/x"
    if followed:
        assert Session().get_redirect_target(response) == f"{new}://b.org/x"
    else:
        with pytest.raises(DataError, match="it leaves https for http"):
            Session().get_redirect_target(response)


class TestSeveral:
    BODIES = {f"{number}.zip": hashlib.shake_128(b"%d" % number).digest(100_000 + number) for number in range(3)}  # noqa: RUF012

    def requests(self, url: str, target: Path) -> list[DownloadRequest]:
        return [DownloadRequest(f"{url}/{name}", target.parent / name, hashlib.md5(body).hexdigest()) for name, body in self.BODIES.items()]

    def test_at_once(self, site: Site, target: Path) -> None:
        meeting = together(3)
        url = site.serve_files(self.BODIES, {name: [meeting] for name in self.BODIES})
        fetch_all(self.requests(url, target), connections=3, pause=0, timeout=20)
        assert {path.name: path.read_bytes() for path in target.parent.iterdir()} == self.BODIES

    def test_one_after_the_other(self, site: Site, target: Path) -> None:
        fetch_all(self.requests(site.serve_files(self.BODIES), target), connections=1, pause=0)
        assert site.requested == list(self.BODIES)

    def test_one_that_cannot_be_had(self, site: Site, target: Path) -> None:
        url = site.serve_files({name: body for name, body in self.BODIES.items() if name != "1.zip"})
        with pytest.raises(DataError, match=r"1\.zip: the server answered 404 Not Found"):
            fetch_all(self.requests(url, target), connections=1, pause=0)
        assert (target.parent / "0.zip").read_bytes() == self.BODIES["0.zip"]
        fetch_all(self.requests(site.serve_files(self.BODIES), target), pause=0)
        assert {path.name for path in target.parent.iterdir()} == set(self.BODIES)

    def test_an_error_ends_the_others(self, site: Site, target: Path) -> None:
        """The transfer that broke off after 1,000 bytes would try again in a minute; it does not, as the other one has failed."""
        url = site.serve_files(self.BODIES, {"0.zip": [breaking_after(1000), *[answering(503)] * 99], "1.zip": [answering(404)]})
        with pytest.raises(DataError, match="404"):
            fetch_all(self.requests(url, target)[:2], connections=2, pause=60)
        assert not (target.parent / "0.zip").exists()
        assert site.requested.count("0.zip") <= 1

    def test_nothing(self) -> None:
        fetch_all([])

    def test_no_connections(self, target: Path) -> None:
        with pytest.raises(UsageError, match="0 connections cannot download anything"):
            fetch_all([DownloadRequest("http://127.0.0.1:9/x", target)], connections=0)


class TestInParallel:
    def test_takes_no_more_than_it_needs(self) -> None:
        taken = []

        def endless() -> Iterator[int]:
            for number in range(10**9):
                taken.append(number)
                yield number

        results = in_parallel(lambda number: number * number, endless(), 3, stop=threading.Event())
        first = [next(results) for _ in range(10)]
        results.close()
        assert all(square == number * number for number, square in first)
        assert len(taken) <= 10 + 2 * 3

    @pytest.mark.parametrize("error", [DataError("no"), KeyboardInterrupt()])
    def test_an_error_stops_the_others(self, error: BaseException) -> None:
        stopped = threading.Event()

        def work(number: int) -> bool:
            if number == 0:
                raise error
            return stopped.wait(10)

        with pytest.raises(type(error)):
            for _ in in_parallel(work, range(3), 3, stop=stopped):
                pass
        assert stopped.is_set()
