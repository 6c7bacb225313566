"""What is refused before anything is written, and how images get their second name."""

from __future__ import annotations

import dataclasses
import errno
import os
from pathlib import Path

import numpy as np
import pytest
from raw_trees import photo

from biodeephashing.data.prepare.checks import check
from biodeephashing.data.prepare.content import DatasetContent, distinct_names, is_safe
from biodeephashing.data.prepare.label_table import link
from biodeephashing.data.prepare.splits import Protocol
from biodeephashing.data.prepare.write import prepare
from biodeephashing.errors import DataError

SHARED = Protocol("disjoint", "", shared=("train-database",))


def content(**details: object) -> DatasetContent:
    rows = np.arange(4)
    folds = {fold: rows[index : index + 1] for index, fold in enumerate(("train", "val", "query", "database"))}
    whole = DatasetContent(
        files=["a.png", "b.png", "c.png", "d.png"],
        labels=np.array([[1, 0], [0, 1], [1, 1], [0, 0]], np.uint8),
        classes=["sky", "sea"],
        folds=folds,
        write_image=lambda row, path: path.touch(),
        protocol=Protocol("disjoint", ""),
        source="",
    )
    return dataclasses.replace(whole, **details)  # type: ignore[arg-type]


def folds(**details: list[int]) -> dict[str, np.ndarray]:
    return dict(content().folds) | {fold: np.array(rows, np.int64) for fold, rows in details.items()}


@pytest.mark.parametrize(
    ("details", "complaint"),
    [
        ({"folds": folds(val=[])}, "the fold val has no images"),
        ({"folds": folds(database=[3, 3])}, "the fold database holds an image twice"),
        ({"folds": folds(database=[3, 2])}, r"1 image is in both query and database, the first is c\.png: the split 'disjoint' .*none"),
        ({"folds": folds(query=[2, 1, 3])}, r"1 image is in both val and query, .*Leave such images out .*-allow val-query`"),
        ({"folds": folds(val=[1, 3], query=[1, 3], database=[2])}, r"2 images are in both val and query"),
        ({"folds": folds(query=[0]), "where": "row {}".format}, r"the first is a\.png \(row 0\): the split"),
        (
            {"folds": folds(database=[3, 0, 2]), "protocol": SHARED},
            "in both query and database.*allows: train-database",
        ),
        ({"folds": folds(query=[0])}, "in both train and query"),
        ({"labels": np.array([[1, 0]] * 4, np.uint8)}, "the class 'sea' has no images"),
        ({"labels": np.array([[1, 0]] * 4, np.uint8), "unused": ["sky"]}, "the class 'sea' has no images"),
        ({"labels": np.array([[1, 0]] * 4, np.uint8), "unused": ["sea"]}, "only one class, 'sky', .*two classes are needed"),
        ({"labels": np.array([[1, 0], [0, 0]] * 2, np.uint8), "unused": ["sea"]}, "only one class, 'sky'"),
        ({"labels": np.ones((4, 2), np.uint8)}, "all images have the same labels"),
        ({"labels": np.ones((4, 1), np.uint8), "classes": ["sky"]}, "only one class, 'sky'"),
        ({"files": ["a.png", "b.png", "A.png", "d.png"]}, r"two images have the file name 'A\.png'"),
        ({"files": ["a.png", "b,c.png", "c.png", "d.png"]}, r"file name 'b,c\.png'"),
        ({"files": ["a.png", "../b.png", "c.png", "d.png"]}, r"file name '\.\./b\.png'"),
    ],
)
def test_refused(project_home: Path, details: dict[str, object], complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        prepare("SET", lambda: content(**details))
    assert [path.name for path in (project_home / "data/processed").iterdir()] == []


def test_accepted() -> None:
    check(content())
    shared = Protocol("disjoint", "", shared=("train-database", "query-database"))
    check(content(folds=folds(database=[3, 0, 2]), protocol=shared))
    check(content(labels=np.array([[1, 0, 0], [0, 1, 0]] * 2, np.uint8), classes=["sky", "sea", "sun"], unused=["sun"]))


def test_one_folder_for_two_spellings(project_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file system that does not tell cases apart, voc2012 is there as soon as VOC2012 is."""
    prepare("VOC2012", lambda: content())
    exists = Path.exists
    monkeypatch.setattr(Path, "exists", lambda path: exists(path.with_name("VOC2012") if path.name == "voc2012" else path))
    with pytest.raises(DataError, match="does not tell VOC2012 from voc2012"):
        prepare("voc2012", lambda: content(), no_skip=True)
    assert (project_home / "data/processed/VOC2012/split.json").is_file()


@pytest.mark.parametrize("name", ["", " a.png", ".a.png", "a/b.png", "a\\b.png", "a,b.png", "a\nb.png", "..", "c:a.png", "a\x00.png"])
def test_unsafe_names(name: str) -> None:
    assert not is_safe(name)


def test_distinct_names_where_the_added_index_is_taken() -> None:
    assert distinct_names(["a.png", "b.png", "a.png", "B.png"]) == ["a.png", "b.png", "a-2.png", "B-3.png"]
    distinct = distinct_names(["a.png", "a.png", "a-1.png", "c", "c"])
    assert len({name.lower() for name in distinct}) == 5
    assert distinct[0] == "a.png"
    assert distinct[2] == "a-1.png"


class TestLink:
    def test_the_same_file(self, tmp_path: Path) -> None:
        photo(tmp_path / "a.jpg", 1)
        link(tmp_path / "a.jpg", tmp_path / "b.jpg")
        assert (tmp_path / "b.jpg").samefile(tmp_path / "a.jpg")

    def test_what_a_symbolic_link_leads_to(self, tmp_path: Path) -> None:
        photo(tmp_path / "a.jpg", 1)
        (tmp_path / "c.jpg").symlink_to("a.jpg")
        link(tmp_path / "c.jpg", tmp_path / "b.jpg")
        assert not (tmp_path / "b.jpg").is_symlink()
        assert (tmp_path / "b.jpg").samefile(tmp_path / "a.jpg")

    @pytest.mark.parametrize("number", [errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP])
    def test_a_copy_where_there_are_no_links(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
        photo(tmp_path / "a.jpg", 1)
        monkeypatch.setattr("os.link", lambda *_: (_ for _ in ()).throw(OSError(number, os.strerror(number))))
        link(tmp_path / "a.jpg", tmp_path / "b.jpg")
        assert not (tmp_path / "b.jpg").samefile(tmp_path / "a.jpg")
        assert (tmp_path / "b.jpg").read_bytes() == (tmp_path / "a.jpg").read_bytes()

    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            link(tmp_path / "a.jpg", tmp_path / "b.jpg")
