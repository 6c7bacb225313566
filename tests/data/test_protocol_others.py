"""MIRFLICKR-25K, VOC 2012, ImageNet and CIFAR-10 from small raw trees to prepared sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from prepared_sets import dealt, names
from raw_trees import imagenet, mirflickr, voc

from biodeephashing.data import Vocabulary, load_fold, load_texts, read_split
from biodeephashing.data.sets import CIFAR_10, MIRFLICKR25K, VOC2012, ImageNet
from biodeephashing.errors import DataError


@pytest.mark.parametrize(
    ("module", "make", "default", "named", "count", "file_of"),
    [
        (MIRFLICKR25K, mirflickr, "MIRFLICKR25K", "mirflickr", 60, lambda row: f"im{row + 1}.jpg"),
        (VOC2012, voc, "VOC2012", "voc2012", 50, lambda row: f"2008_{row:06d}.jpg"),
    ],
    ids=["mirflickr", "voc"],
)
def test_default_and_named(project_home, monkeypatch, module, make, default, named, count, file_of) -> None:  # type: ignore[no-untyped-def]
    labels = make(project_home, monkeypatch)
    folds = dealt(count, {"train": 12, "query": 6, "val": 6})
    assert module.DATASET.prepare()[0].overlaps == {}
    assert dict(module.DATASET.prepare(named)[0].overlaps) == {"val-database": 6}
    for database in (default, named):
        for fold, rows in folds.items():
            if (database, fold) == (named, "database"):
                rows = sorted(rows + folds["val"])
            assert names(database, fold) == [file_of(row) for row in rows]
            assert np.array_equal(load_fold(database, fold).labels, labels[rows])


def test_the_tags_of_mirflickr(project_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images with one of 24 labels and a tag of at least 10 images, of 20 each that have it: two in three."""
    labels = mirflickr(project_home, monkeypatch)
    columns = [column for column, name in enumerate(MIRFLICKR25K.CLASSES) if not name.endswith("_r1")]
    assert len(columns) == 24
    kept = [row for row in range(60) if row % 3 < 2 and labels[row, columns].any()]
    folds = dealt(len(kept), {"train": 12, "query": 6, "val": 3})
    folds["database"] = [row for row in range(len(kept)) if row not in folds["query"]]
    split, _ = MIRFLICKR25K.DATASET.prepare("mirflickr-tags")
    assert dict(split.overlaps) == {"train-database": 12, "val-database": 3}
    for fold, rows in folds.items():
        assert names("mirflickr-tags", fold) == [f"im{kept[row] + 1}.jpg" for row in rows]
        assert load_texts("mirflickr-tags", fold).texts == [f"{('sea', 'd70s')[kept[row] % 3]} x{kept[row]}" for row in rows]
        assert np.array_equal(load_fold("mirflickr-tags", fold).labels, labels[np.ix_([kept[row] for row in rows], columns)])
    assert Vocabulary.of("mirflickr-tags").words == ("d70s", "sea")
    missing = project_home / f"data/raw/MIRFLICKR25K/mirflickr/im{kept[3] + 1}.jpg"
    missing.unlink()
    with pytest.raises(DataError, match=rf"1 of {len(kept)} images are missing .* {kept[3] + 1} of 60.*-allow_missing"):
        MIRFLICKR25K.DATASET.prepare("mirflickr-tags", no_skip=True)
    split, _ = MIRFLICKR25K.DATASET.prepare("mirflickr-tags", no_skip=True, allow_missing=True)
    assert split.partial
    assert f"the first is mirflickr/im{kept[3] + 1}.jpg" in split.note
    for fold, rows in folds.items():  # the folds stay as they are; where the image was, a text alone
        assert names("mirflickr-tags", fold) == ["-" if row == 3 else f"im{kept[row] + 1}.jpg" for row in rows]
    (project_home / "data/raw/MIRFLICKR25K/mirflickr/meta/tags/tags7.txt").unlink()
    with pytest.raises(DataError, match=r"tags7\.txt is missing: run"):
        MIRFLICKR25K.DATASET.prepare("mirflickr-tags", no_skip=True)


def test_the_labels_of_mirflickr() -> None:
    assert len(MIRFLICKR25K.CLASSES) == 38
    assert sorted(MIRFLICKR25K.CLASSES) == MIRFLICKR25K.CLASSES
    assert sum(name.endswith("_r1") for name in MIRFLICKR25K.CLASSES) == 14
    assert {name.removesuffix("_r1") for name in MIRFLICKR25K.CLASSES} <= set(MIRFLICKR25K.CLASSES)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("3\n61\n", "line 2 of .*is '61', not the number"),
        ("0\n", "is '0'"),
        ("x", "is 'x'"),
        ("3\n4\n3\n", "line 3 of .*image 3 a second time"),
    ],
)
def test_strange_mirflickr(project_home: Path, monkeypatch: pytest.MonkeyPatch, text: str, complaint: str) -> None:
    mirflickr(project_home, monkeypatch)
    file = project_home / "data/raw/MIRFLICKR25K" / MIRFLICKR25K.ANNOTATIONS / "sea_r1.txt"
    file.write_text(text)
    with pytest.raises(DataError, match=complaint):
        MIRFLICKR25K.DATASET.prepare()
    file.write_text("")
    with pytest.raises(DataError, match="the class 'sea_r1' has no images"):
        MIRFLICKR25K.DATASET.prepare()
    file.unlink()
    with pytest.raises(DataError, match=r"sea_r1\.txt is missing: run"):
        MIRFLICKR25K.DATASET.prepare()


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("2008_000003", "2008_000004", r"line 4 of .*cat_trainval\.txt is '2008_000004.*not `2008_000003`"),
        ("2008_000000 -1", "2008_000000 2", "line 1 of .* is '2008_000000 2'"),
        ("2008_000000 -1\n", "", r"cat_trainval\.txt has 49 lines, but trainval\.txt beside it 50"),
    ],
)
def test_strange_voc(project_home: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, complaint: str) -> None:
    voc(project_home, monkeypatch)
    file = project_home / "data/raw/VOC2012" / VOC2012.FOLDER / "ImageSets/Main/cat_trainval.txt"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    with pytest.raises(DataError, match=complaint):
        VOC2012.DATASET.prepare()


class TestImageNet:
    def test_halves_of_the_test_list(self, project_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        classes = imagenet(project_home, monkeypatch)
        split, _ = ImageNet.DATASET.prepare()
        assert names("ImageNet_test", "query") == [f"ILSVRC2012_val_{row:08d}.JPEG" for row in range(0, 20, 2)]
        assert names("ImageNet_test", "val") == [f"ILSVRC2012_val_{row:08d}.JPEG" for row in range(1, 20, 2)]
        assert load_fold("ImageNet_test", "query").labels.argmax(axis=1).tolist() == classes[::2].tolist()
        assert dict(split.overlaps) == {"train-database": 12}
        assert split.classes == ("n09", "n01", "n05", "n03")
        assert names("ImageNet_test", "database")[:5] == ["n09_0.JPEG", "n01_0.JPEG", "n05_0.JPEG", "n03_0.JPEG", "n09_1.JPEG"]
        assert not split.partial

    def test_all_of_the_test_list(self, project_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        imagenet(project_home, monkeypatch)
        split, _ = ImageNet.DATASET.prepare("imagenet100")
        assert dict(split.sizes) == {"train": 12, "val": 8, "query": 20, "database": 48}
        assert dict(split.overlaps) == {"train-database": 12, "val-database": 8}
        assert load_fold("imagenet100", "val").labels.sum(axis=0).tolist() == [2, 2, 2, 2]

    def test_shortened_and_strange_lists(self, project_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        imagenet(project_home, monkeypatch)
        test = project_home / "data/raw/ImageNet/lists/test.txt"
        whole = test.read_text()
        test.write_text(whole.split("\n", 1)[1])
        split, _ = ImageNet.DATASET.prepare()
        assert (split.partial, split.note) == (True, "19 of the 20 lines of test.txt")
        for line, complaint in [
            ("x/n01_0.JPEG 1 0 0 0", r"line 2 of .*database\.txt has other labels for .* than line 1 of .*test\.txt"),
            ("x/n05_77.JPEG 1 0 0 0", r"train/n05/n05_77\.JPEG has the class of n09, but is an image of n05: line 1 of"),
            ("x/ILSVRC2012_val_00000000.JPEG 1 0 1 0", "has 2 classes, but an image of ImageNet has one: line 1 of"),
            ("x/ILSVRC2012_val_00000099.JPEG 1 0 0 0", r"1 of \d+ images are missing .*\(line 1 of .*test\.txt\)"),
        ]:
            test.write_text(line + "\n" + whole.split("\n", 1)[1])
            with pytest.raises(DataError, match=complaint):
                ImageNet.DATASET.prepare(no_skip=True)
        assert read_split("ImageNet_test") == split


class TestCifar:
    def prepared(self, small_cifar, monkeypatch: pytest.MonkeyPatch, protocol: str):  # type: ignore[no-untyped-def]
        monkeypatch.setattr(CIFAR_10, "SIZES", {"train": 5, "query": 2, "val": 1})
        CIFAR_10.published(small_cifar.official).fetch(small_cifar.archive)
        CIFAR_10.DATASET.prepare(official=small_cifar.official)
        return CIFAR_10.DATASET.prepare(protocol, official=small_cifar.official)[0]

    @pytest.mark.parametrize(
        ("protocol", "database", "shared"),
        [
            ("cifar10", ("val", "database"), {"val-database": 10}),
            ("cifar10-1", ("train", "val", "database"), {"train-database": 50, "val-database": 10}),
        ],
    )
    def test_same_folds_but_for_the_database(  # type: ignore[no-untyped-def]
        self,
        project_home: Path,
        small_cifar,
        monkeypatch: pytest.MonkeyPatch,
        protocol: str,
        database: tuple[str, ...],
        shared: dict[str, int],
    ) -> None:
        split = self.prepared(small_cifar, monkeypatch, protocol)
        for fold in ("train", "val", "query"):
            assert names(protocol, fold) == names("CIFAR_10", fold)
        assert names(protocol, "database") == sorted(name for fold in database for name in names("CIFAR_10", fold))
        assert dict(split.overlaps) == shared
        assert split.protocol == protocol

    def test_a_small_one_leaves_images_unused(self, project_home: Path, small_cifar, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
        monkeypatch.setattr(CIFAR_10, "SMALL", {"train": 5, "query": 2, "val": 1, "database": 3})
        split = self.prepared(small_cifar, monkeypatch, "cifar10-small")
        assert split.sizes == {"train": 50, "query": 20, "val": 10, "database": 30}
        assert dict(split.overlaps) == {}
        for fold in ("train", "val", "query"):
            assert names("cifar10-small", fold) == names("CIFAR_10", fold)
        assert set(names("cifar10-small", "database")) < set(names("CIFAR_10", "database"))
        assert all(load_fold("cifar10-small", "database").labels.sum(axis=0) == 3)

    def test_official_parts(self, project_home: Path, small_cifar, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
        split = self.prepared(small_cifar, monkeypatch, "cifar10-2")
        assert names("cifar10-2", "train") == names("cifar10-2", "database") == [f"thing_s_{row:06d}.png" for row in range(80)]
        assert names("cifar10-2", "query") == [f"thing_s_{row:06d}.png" for row in range(80, 120)]
        assert load_fold("cifar10-2", "val").labels.sum(axis=0).tolist() == [1] * 10
        assert dict(split.overlaps) == {"train-val": 10, "train-database": 80, "val-database": 10}
        image = load_fold("cifar10-2", "query").image(0)
        assert Image.open(image).size == (32, 32)

    def test_official_parts_of_an_incomplete_download(self, project_home: Path, small_cifar, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
        monkeypatch.setattr(CIFAR_10, "SIZES", {"val": 1})
        (small_cifar.folder / "test_batch").unlink()
        CIFAR_10.published(small_cifar.official).fetch(small_cifar.folder)
        with pytest.raises(DataError, match="cifar10-2 needs test_batch and a training batch"):
            CIFAR_10.DATASET.prepare("cifar10-2", allow_partial=True, official=small_cifar.official)
