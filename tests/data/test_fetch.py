"""Downloading from a server that breaks off, lies, stalls and serves wrong bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from flaky_site import Site, answering, breaking_after, claiming, corrupt, stalling, without_ranges, wrong_part

from biodeephashing.data._fetch import fetch
from biodeephashing.errors import DataError, UsageError

BODY = hashlib.shake_128(b"a file").digest(300_000)
MD5 = hashlib.md5(BODY).hexdigest()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "raw" / "file.tar.gz"


def get(url: str, target: Path, **details: float) -> None:
    fetch(url, target, md5=MD5, advice="Ask a friend.", **{"pause": 0, "timeout": 5, **details})  # type: ignore[arg-type]


def only_the_file(target: Path) -> bool:
    return target.read_bytes() == BODY and [path.name for path in target.parent.iterdir()] == [target.name]


def test_plain(site: Site, target: Path) -> None:
    get(site.serve(BODY), target)
    assert only_the_file(target)


def test_resumes_where_it_broke_off(site: Site, target: Path) -> None:
    get(site.serve(BODY, *[breaking_after(50_000)] * 5), target)
    assert only_the_file(target)
    assert site.starts == [0, 50_000, 100_000, 150_000, 200_000, 250_000]


def test_resumes_an_earlier_attempt(site: Site, target: Path) -> None:
    target.parent.mkdir()
    target.with_name("file.tar.gz.part").write_bytes(BODY[:123_456])
    get(site.serve(BODY), target)
    assert only_the_file(target)
    assert site.starts == [123_456]


def test_part_that_was_already_whole(site: Site, target: Path) -> None:
    target.parent.mkdir()
    target.with_name("file.tar.gz.part").write_bytes(BODY)
    get(site.serve(BODY), target)
    assert only_the_file(target)


@pytest.mark.parametrize("part", [b"x" * 1000, BODY + b"more"])
def test_foreign_part_is_started_over_once(site: Site, target: Path, part: bytes) -> None:
    target.parent.mkdir()
    target.with_name("file.tar.gz.part").write_bytes(part)
    get(site.serve(BODY), target)
    assert only_the_file(target)
    assert site.starts == [len(part), 0]


def test_server_without_ranges(site: Site, target: Path) -> None:
    get(site.serve(BODY, breaking_after(50_000), without_ranges), target)
    assert only_the_file(target)


def test_server_that_sends_another_part(site: Site, target: Path) -> None:
    get(site.serve(BODY, breaking_after(50_000), wrong_part), target)
    assert only_the_file(target)
    assert site.starts == [0, 50_000, 0]


def test_length_announced_too_long(site: Site, target: Path) -> None:
    """The connection ends early; what is there then turns out to be whole."""
    get(site.serve(BODY, claiming(len(BODY) + 500)), target)
    assert only_the_file(target)


def test_length_announced_too_short(site: Site, target: Path) -> None:
    with pytest.raises(DataError, match=f"is not the file it should be: its MD5 is .*, not {MD5}. Ask a friend."):
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
    assert len(site.starts) == 4  # twice from the start, each in two pieces


@pytest.mark.parametrize("status", [500, 503, 429])
def test_busy_server_is_asked_again(site: Site, target: Path, status: int) -> None:
    get(site.serve(BODY, answering(status), answering(status)), target)
    assert only_the_file(target)


@pytest.mark.parametrize("status", [404, 403, 410])
def test_refusal_is_final(site: Site, target: Path, status: int) -> None:
    with pytest.raises(DataError, match=f"the server answered {status} .*Ask a friend"):
        get(site.serve(BODY, answering(status)), target)
    assert site.starts == [0]


def test_stalling_server(site: Site, target: Path) -> None:
    get(site.serve(BODY, stalling), target, timeout=0.3)
    assert only_the_file(target)


def test_no_progress_gives_up_and_keeps_the_part(site: Site, target: Path) -> None:
    with pytest.raises(DataError, match=r"\(1,000 bytes are kept and the next attempt goes on from there\)\. Ask a friend"):
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
    with pytest.raises(DataError, match=r"cannot download http://127\.0\.0\.1:9/x: .*refused.*\. Ask a friend\."):
        get("http://127.0.0.1:9/x", target)


@pytest.mark.parametrize("url", ["nonsense", "ftp://127.0.0.1/x", "http://"])
def test_no_address(target: Path, url: str) -> None:
    with pytest.raises(UsageError, match="is not an address to download from"):
        get(url, target)
