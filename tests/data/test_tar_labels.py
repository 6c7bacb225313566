"""Class numbers in tar archives, as WebDataset keeps them: a ``.cls`` file beside each image."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from biodeephashing.data.sources import Source, open_source
from biodeephashing.errors import DataError

CLASSES = ("cat", "dog", "owl")


def tarred(file: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(file, "w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def opened(folder: Path, *archives: dict[str, bytes] | None) -> Source:
    """Open archives of these files; None is a file that is no archive."""
    for number, files in enumerate(archives):
        file = folder / f"{number}.tar"
        if files is None:
            file.write_bytes(b"no archive")
        else:
            tarred(file, files)
    return open_source(str(folder / "*.tar"), rows=8, classes=CLASSES)


def test_the_class_number_is_the_label(tmp_path: Path) -> None:
    first = {"x/.cls": b"9", "x/a.left.cls": b"8", "x/a.cls": b"2\n", "x/a.jpg": b"", "x/a.json": b"{}", "x/b.JPG": b"", "x/b.CLS": b" 0"}
    source = opened(tmp_path, first, {"c.png": b"", "c.cls": b"1"})
    assert source.classes == CLASSES
    one, other = (shard.read() for shard in source.shards)
    assert (one.keys, one.labels.tolist()) == (["x/a", "x/b"], [[0, 0, 1], [1, 0, 0]])
    assert (other.keys, other.labels.tolist()) == (["c"], [[0, 1, 0]])


def test_archives_without_class_numbers_have_no_labels(tmp_path: Path) -> None:
    source = opened(tmp_path, {"a.jpg": b"", "a.txt": b"1", "b.x.cls": b"1", "b.jpg": b""})
    assert source.classes == ()
    assert source.shards[0].read().labels is None


def test_labels_of_other_classes_can_be_left_out(tmp_path: Path) -> None:
    opened(tmp_path, {"a.jpg": b"", "a.cls": b"815", "b.jpg": b""})
    source = open_source(str(tmp_path / "*.tar"), rows=8)
    assert source.classes == ()
    assert source.shards[0].read().labels is None


def test_whether_there_are_labels_is_seen_in_the_first_archive_that_can_be_read(tmp_path: Path) -> None:
    source = opened(tmp_path, None, {}, {"a.jpg": b"", "a.cls": b"1"})
    assert source.classes == CLASSES
    assert source.shards[2].read().labels.tolist() == [[0, 1, 0]]


def test_labels_that_cannot_be_are_named(tmp_path: Path) -> None:
    label = {"a.jpg": b"", "a.cls": b"1"}
    cases = {
        "missing": (label | {"x/b.jpg": b""}, r"x/b of .*0\.tar has 0 \.cls files, and .* 1"),
        "only some": ({"a.jpg": b"", "x/b.jpg": b"", "x/b.cls": b"1"}, r"x/b of .*0\.tar has 1 \.cls files, and .* 0"),
        "no number": (label | {"b.jpg": b"", "b.cls": b"owl"}, r"b\.cls of .*0\.tar holds b'owl'"),
        "empty": (label | {"b.jpg": b"", "b.cls": b""}, r"b\.cls of .*0\.tar holds b''"),
        "too great": (label | {"b.jpg": b"", "b.cls": b"3"}, r"b of .*0\.tar: '3'.* Known: cat, dog, owl"),
        "negative": (label | {"b.jpg": b"", "b.cls": b"-1"}, r"b of .*0\.tar: '-1'"),
        "no image": (label | {"b.cls": b"1"}, r"b of .*0\.tar has no image, only b\.cls"),
    }
    for case, (files, message) in cases.items():
        (tmp_path / case).mkdir()
        (shard,) = opened(tmp_path / case, files).shards
        with pytest.raises((DataError, KeyError), match=message):
            shard.read()


def test_archives_of_a_kind(tmp_path: Path) -> None:
    source = opened(tmp_path, {"a.jpg": b"", "a.cls": b"1"}, {"b.jpg": b""})
    source.shards[0].read()
    with pytest.raises(DataError, match=r"b of .*1\.tar has 0 \.cls files"):
        source.shards[1].read()
