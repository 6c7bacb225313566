"""The benchmarks from small raw trees to prepared sets: folds, labels, names, links, and the same bytes wherever they are made."""

from __future__ import annotations

import dataclasses
import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from raw_trees import PREPARED, coco, imagenet, mirflickr, nus_wide, photo, voc

from biodeephashing.data import _mirflickr, _nus_wide, _voc, load_fold, read_label_names, read_split
from biodeephashing.data._catalogue import SETS
from biodeephashing.data.download.CIFAR_10 import download
from biodeephashing.data.process import CIFAR_10, MIRFLICKR25K, MS_COCO, NUS_WIDE, VOC2012, ImageNet
from biodeephashing.errors import DataError, UnknownNameError
from biodeephashing.hparams import FOLDS

SCRIPTS = Path(CIFAR_10.__file__).parent


def names(database: str, fold: str) -> list[str]:
    return [Path(path).name for path in load_fold(database, fold).paths]


def dealt(count: int, sizes: dict[str, int]) -> dict[str, list[int]]:
    """The literal rule of the shuffled list of fold names."""
    folds = [fold for fold, size in sizes.items() for _ in range(size)]
    folds += ["database"] * (count - len(folds))
    random.Random(0).shuffle(folds)
    return {fold: [row for row in range(count) if folds[row] == fold] for fold in FOLDS}


def texts(home: Path, database: str) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted((home / "data/processed" / database).glob("*.*"))}


@pytest.mark.parametrize("database", PREPARED)
def test_same_bytes_elsewhere(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another root, working directory and order of files on disk change nothing; nor does a second time."""
    processor, make = PREPARED[database]
    seen = []
    for turned in (False, True):
        home = tmp_path / f"home{turned}"
        home.mkdir()
        monkeypatch.setenv("BIODEEPHASHING_HOME", str(home))
        monkeypatch.chdir(tmp_path if turned else home)
        make(home, monkeypatch, turned)
        split, written = processor.process(database)
        assert written
        assert processor.process(database) == (split, False)
        seen.append(texts(home, database))
        assert processor.process(database, no_skip=True) == (split, True)
        assert texts(home, database) == seen[-1]
        assert split.database == database
        assert str(home) not in json.dumps(dataclasses.asdict(split))
    assert set(seen[0]) == {"label_names.txt", "split.json", *(f"{fold}_metadata.txt" for fold in FOLDS)}
    assert seen[0] == seen[1]


@pytest.mark.parametrize("database", PREPARED)
def test_images_are_links_and_keep_their_names(database: str, project_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    processor, make = PREPARED[database]
    make(project_home, monkeypatch)
    split, _ = processor.process(database)
    raw = {path.name: path for path in (project_home / "data/raw").rglob("*.*") if path.suffix.lower() in (".jpg", ".jpeg")}
    used = {name for fold in FOLDS for name in names(database, fold)}
    assert {path.name for path in (project_home / "data/processed" / database / "images").iterdir()} == used
    for name in used:
        assert (project_home / "data/processed" / database / "images" / name).samefile(raw[name])
    assert dict(split.sizes) == {fold: len(names(database, fold)) for fold in FOLDS}


@pytest.mark.parametrize("database", PREPARED)
def test_no_query_is_in_the_database_or_trained_on(database: str, project_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    processor, make = PREPARED[database]
    make(project_home, monkeypatch)
    split, _ = processor.process(database)
    folds = {fold: set(names(database, fold)) for fold in FOLDS}
    counts = {f"{a}-{b}": len(folds[a] & folds[b]) for i, a in enumerate(FOLDS) for b in FOLDS[i + 1 :]}
    assert dict(split.overlaps) == {pair: count for pair, count in counts.items() if count}
    assert not any("query" in pair for pair in split.overlaps)
    assert "train-val" not in split.overlaps
    assert all(word in split.rule for word in ("train", "quer", "val", "database"))


class TestCoco:
    SIZES = {"train": 8, "query": 5, "val": 4}  # noqa: RUF012

    def test_all_images_and_all_ids(self, project_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        labels = coco(project_home, monkeypatch)
        split, _ = MS_COCO.process()
        files = [f"COCO_{'train2014' if row < 24 else 'val2014'}_{row:012d}.jpg" for row in range(40)]
        for fold, rows in dealt(40, self.SIZES).items():
            metadata = load_fold("MS_COCO", fold)
            assert names("MS_COCO", fold) == [files[row] for row in rows]
            assert metadata.labels.shape[1] == 90
            assert np.array_equal(metadata.labels[:, [0, 2, 89]], labels[rows])
            assert metadata.labels.sum() == labels[rows].sum()
        assert (split.classes[0], split.classes[1], split.classes[2], split.classes[89]) == ("person", "unused 2", "car", "toothbrush")
        assert split.protocol == "disjoint"

    def test_labelled_images_and_used_ids(self, project_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        labels = coco(project_home, monkeypatch)
        split, _ = MS_COCO.process("coco")
        files = [f"COCO_{'train2014' if row < 24 else 'val2014'}_{row:012d}.jpg" for row in np.flatnonzero(labels.any(axis=1))]
        folds = dealt(32, self.SIZES)
        folds["database"] = [row for row in range(32) if row not in folds["query"]]
        for fold, rows in folds.items():
            assert names("coco", fold) == [files[row] for row in rows]
            assert np.array_equal(load_fold("coco", fold).labels, labels[labels.any(axis=1)][rows])
        assert read_label_names("coco") == ["person", "car", "toothbrush"]
        assert dict(split.sizes) == {"train": 8, "val": 4, "query": 5, "database": 27}
        assert dict(split.overlaps) == {"train-database": 8, "val-database": 4}

    @pytest.mark.parametrize("self_retrieval", [True, False])
    def test_lists(self, project_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, self_retrieval: bool) -> None:
        """The Caffe lists, whose database is everything but the training set, and lists the other way round."""
        labels = coco(project_home, monkeypatch)
        monkeypatch.setattr(MS_COCO, "CATEGORIES", 3)
        parts = {"train": range(0, 8), "test": range(22, 27), "database": range(8, 40) if self_retrieval else range(22)}
        for name, rows in parts.items():
            lines = [
                f"/home/x/coco/{'train' if row < 24 else 'val'}2014/COCO_{'train' if row < 24 else 'val'}2014_{row:012d}.jpg"
                for row in rows
            ]
            vectors = [" ".join(map(str, labels[row])) for row in rows]
            (tmp_path / f"{name}.txt").write_text("".join(f"{a} {b}\n" for a, b in zip(lines, vectors, strict=True)))
        split, _ = MS_COCO.process("coco-hashnet", tmp_path)
        shared = {"val-database": 4, "query-database": 5} if self_retrieval else {"train-database": 8, "val-database": 4}
        assert dict(split.overlaps) == shared
        assert [int(name[-8:-4]) for name in names("coco-hashnet", "query")] == list(parts["test"])
        assert [int(name[-8:-4]) for name in names("coco-hashnet", "database")] == list(parts["database"])
        assert {int(name[-8:-4]) for name in names("coco-hashnet", "val")} < set(parts["database"]) - set(parts["test"]) - set(
            parts["train"]
        )
        assert not split.partial
        assert split.source.startswith("train.txt (SHA-256 ")
        with (tmp_path / "train.txt").open("a") as file:
            file.write("/home/x/coco/train2014/COCO_train2014_000000000020.jpg 1 1 1\n")
        with pytest.raises(DataError, match="has other labels for" if labels[20].tolist() != [1, 1, 1] else "never"):
            MS_COCO.process("coco-hashnet", tmp_path, no_skip=True)

    def test_wrong_width_and_no_lists(self, project_home: Path, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"does not hold train\.txt, test\.txt, database\.txt: .*-lists FOLDER"):
            MS_COCO.process("coco-hashnet", tmp_path)
        for name in ("train", "test", "database"):
            (tmp_path / f"{name}.txt").write_text("a.jpg 1 0\n")
        with pytest.raises(DataError, match=r"train\.txt has 2 labels in a line, but this protocol has 80"):
            MS_COCO.process("coco-hashnet", tmp_path)

    @pytest.mark.parametrize(
        ("change", "complaint"),
        [
            ({"annotations": [{"image_id": 5, "category_id": 1}]}, "KeyError: 5"),
            ({"annotations": [{"image_id": 1000, "category_id": 91}]}, "category id 91 is not between 1 and 90"),
            ({"images": [{"id": 1, "file_name": "../a.jpg"}]}, "'../a.jpg' is no file name"),
            ({"images": [{"id": 1, "file_name": "a,b.jpg"}]}, "'a,b.jpg' is no file name"),
            ({"images": 3}, "TypeError"),
        ],
    )
    def test_strange_annotations(
        self, project_home: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, object], complaint: str
    ) -> None:
        coco(project_home, monkeypatch)
        file = project_home / "data/raw/MS_COCO/annotations/instances_train2014.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | change))
        with pytest.raises(DataError, match=f"instances_train2014.json does not hold annotations of instances .*{complaint}"):
            MS_COCO.process()

    def test_damaged_and_missing(self, project_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(DataError, match=r"instances_train2014\.json is missing: run `python src/data/download/MS_COCO\.py`"):
            MS_COCO.process()
        coco(project_home, monkeypatch)
        raw = project_home / "data/raw/MS_COCO"
        (raw / "val2014/COCO_val2014_000000000030.jpg").unlink()
        with pytest.raises(DataError, match=r"1 of 40 images are missing .*000030\.jpg \(image 7 of .*instances_val2014\.json\): run"):
            MS_COCO.process()
        (raw / "val2014/COCO_val2014_000000000030.jpg").write_text("not an image")
        with pytest.raises(DataError, match=r"000030\.jpg is not an image that can be read \(image 7 of .*instances_val2014\.json\)"):
            MS_COCO.process()
        (raw / "annotations/instances_val2014.json").write_text('{"images": [')
        with pytest.raises(DataError, match=r"instances_val2014\.json is damaged"):
            MS_COCO.process()
        assert [path.name for path in (project_home / "data/processed").iterdir()] == [".MS_COCO.lock"]


class TestNusWide:
    def test_frequent_concepts_of_what_was_fetched(self, project_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        labels = nus_wide(project_home, monkeypatch)[:, [1, 2, 0]]  # 86, 43 and 30 images
        concepts = _nus_wide.read(project_home / "data/raw/NUS_WIDE").classes
        assert list(concepts) == [f"concept{number:02d}" for number in range(81)]  # their file lists them in another order
        split, _ = NUS_WIDE.process()
        assert split.classes == ("concept01", "concept02", "concept00")
        assert (split.partial, split.note) == (True, "77 of 87 images")
        kept = [row for row in range(90) if labels[row].any() and row % 9]
        for fold, rows in dealt(77, {"train": 20, "query": 10, "val": 10}).items():
            assert names("NUS_WIDE", fold) == [f"{kept[row]:04d}_{10**6 + kept[row]}.jpg" for row in rows]
            assert np.array_equal(load_fold("NUS_WIDE", fold).labels, labels[[kept[row] for row in rows]])

    def test_drawn_per_class(self, project_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        nus_wide(project_home, monkeypatch)
        split, _ = NUS_WIDE.process("nuswide_21")
        assert dict(split.sizes) == {"train": 15, "val": 3, "query": 6, "database": 71}
        assert dict(split.overlaps) == {"train-database": 15, "val-database": 3}
        assert (load_fold("nuswide_21", "train").labels.sum(axis=0) >= 5).all()

    def test_all_images_in_one_folder(self, project_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        nus_wide(project_home, monkeypatch)
        split, _ = NUS_WIDE.process()
        images = project_home / "data/raw/NUS_WIDE/images"
        for file in images.rglob("*.jpg"):
            file.rename(images / file.name)
        assert NUS_WIDE.process(no_skip=True) == (split, True)

    def test_lists(self, project_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(NUS_WIDE.LISTED, "nuswide_81", (2, {"train": 4, "query": 3}))
        rows = {"train": range(4), "test": range(4, 7), "database": [*range(4), *range(7, 20)]}
        for row in range(20):
            photo(project_home / f"data/raw/NUS_WIDE/images/nus_wide/{row}.jpg", row)
        for name, members in rows.items():
            (tmp_path / f"{name}.txt").write_text("".join(f"/home/x/nus_wide/{row}.jpg {row % 2} {row % 3 // 2}\n" for row in members))
        split, _ = NUS_WIDE.process("nuswide_81", tmp_path)
        assert dict(split.overlaps) == {"train-database": 4, "val-database": 3}
        assert names("nuswide_81", "database") == [f"{row}.jpg" for row in rows["database"]]
        assert load_fold("nuswide_81", "train").labels.tolist() == [[0, 0], [1, 0], [0, 1], [1, 0]]
        lines = (tmp_path / "test.txt").read_text().splitlines(keepends=True)
        (tmp_path / "test.txt").write_text("".join(lines[1:]))
        split, _ = NUS_WIDE.process("nuswide_81", tmp_path, no_skip=True)
        assert split.note == "2 of the 3 lines of test.txt"

    @pytest.mark.parametrize(
        ("name", "old", "new", "complaint"),
        [
            ("AllLabels/Labels_concept05.txt", "0\n0\n", "0\n2\n", r"line 2 of .*Labels_concept05\.txt is '2', but a label is 0 or 1"),
            ("AllLabels/Labels_concept05.txt", "0\n0\n", "0\n", r"Labels_concept05\.txt has 89 lines, but Imagelist\.txt names 90 images"),
            ("ConceptsList/Concepts81.txt", "concept40\n", "", r"Concepts81\.txt holds 80 concepts, not 81"),
            ("ConceptsList/Concepts81.txt", "concept40", "concept81", r"Labels_concept81\.txt is missing"),
            ("ImageList/Imagelist.txt", "folder2\\0002", "..\\0002", r"line 3 of .*Imagelist\.txt is '\.\./0002_1000002\.jpg'"),
            ("ImageList/Imagelist.txt", "folder2\\0002", "C:\\0002", r"line 3 of .*Imagelist\.txt is 'C:/0002_1000002\.jpg'"),
        ],
    )
    def test_strange_files(
        self, project_home: Path, monkeypatch: pytest.MonkeyPatch, name: str, old: str, new: str, complaint: str
    ) -> None:
        nus_wide(project_home, monkeypatch)
        file = project_home / "data/raw/NUS_WIDE" / name
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new, 1))
        with pytest.raises(DataError, match=complaint):
            NUS_WIDE.process()

    def test_too_few_were_fetched(self, project_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        nus_wide(project_home, monkeypatch)
        for file in sorted((project_home / "data/raw/NUS_WIDE/images").rglob("*.jpg"))[30:]:
            file.unlink()
        with pytest.raises(DataError, match=r"there are \d+ images, too few for the split \(20 train \+ 10 query \+ 10 val"):
            NUS_WIDE.process()
        for file in sorted((project_home / "data/raw/NUS_WIDE/images").rglob("*.jpg"))[8:]:
            file.unlink()
        with pytest.raises(DataError, match=r"class 'concept00' has \d images that no rarer class took"):
            NUS_WIDE.process("nuswide_21")


@pytest.mark.parametrize(
    ("processor", "make", "default", "named", "count", "file_of"),
    [
        (MIRFLICKR25K, mirflickr, "MIRFLICKR25K", "mirflickr", 60, lambda row: f"im{row + 1}.jpg"),
        (VOC2012, voc, "VOC2012", "voc2012", 50, lambda row: f"2008_{row:06d}.jpg"),
    ],
    ids=["mirflickr", "voc"],
)
def test_default_and_named(project_home, monkeypatch, processor, make, default, named, count, file_of) -> None:  # type: ignore[no-untyped-def]
    labels = make(project_home, monkeypatch)
    folds = dealt(count, {"train": 12, "query": 6, "val": 6})
    assert processor.process()[0].overlaps == {}
    assert dict(processor.process(named)[0].overlaps) == {"val-database": 6}
    for database in (default, named):
        for fold, rows in folds.items():
            if (database, fold) == (named, "database"):
                rows = sorted(rows + folds["val"])
            assert names(database, fold) == [file_of(row) for row in rows]
            assert np.array_equal(load_fold(database, fold).labels, labels[rows])


def test_the_labels_of_mirflickr() -> None:
    assert len(_mirflickr.CLASSES) == 38
    assert sorted(_mirflickr.CLASSES) == _mirflickr.CLASSES
    assert sum(name.endswith("_r1") for name in _mirflickr.CLASSES) == 14
    assert {name.removesuffix("_r1") for name in _mirflickr.CLASSES} <= set(_mirflickr.CLASSES)


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
    file = project_home / "data/raw/MIRFLICKR25K" / _mirflickr.ANNOTATIONS / "sea_r1.txt"
    file.write_text(text)
    with pytest.raises(DataError, match=complaint):
        MIRFLICKR25K.process()
    file.write_text("")
    with pytest.raises(DataError, match="the class 'sea_r1' has no images"):
        MIRFLICKR25K.process()
    file.unlink()
    with pytest.raises(DataError, match=r"sea_r1\.txt is missing: run"):
        MIRFLICKR25K.process()


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
    file = project_home / "data/raw/VOC2012" / _voc.FOLDER / "ImageSets/Main/cat_trainval.txt"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    with pytest.raises(DataError, match=complaint):
        VOC2012.process()


class TestImageNet:
    def test_halves_of_the_test_list(self, project_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        classes = imagenet(project_home, monkeypatch)
        split, _ = ImageNet.process()
        assert names("ImageNet_test", "query") == [f"ILSVRC2012_val_{row:08d}.JPEG" for row in range(0, 20, 2)]
        assert names("ImageNet_test", "val") == [f"ILSVRC2012_val_{row:08d}.JPEG" for row in range(1, 20, 2)]
        assert load_fold("ImageNet_test", "query").labels.argmax(axis=1).tolist() == classes[::2].tolist()
        assert dict(split.overlaps) == {"train-database": 12}
        assert split.classes == ("n09", "n01", "n05", "n03")
        assert names("ImageNet_test", "database")[:5] == ["n09_0.JPEG", "n01_0.JPEG", "n05_0.JPEG", "n03_0.JPEG", "n09_1.JPEG"]
        assert not split.partial

    def test_all_of_the_test_list(self, project_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        imagenet(project_home, monkeypatch)
        split, _ = ImageNet.process("imagenet100")
        assert dict(split.sizes) == {"train": 12, "val": 8, "query": 20, "database": 48}
        assert dict(split.overlaps) == {"train-database": 12, "val-database": 8}
        assert load_fold("imagenet100", "val").labels.sum(axis=0).tolist() == [2, 2, 2, 2]

    def test_shortened_and_strange_lists(self, project_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        imagenet(project_home, monkeypatch)
        test = project_home / "data/raw/ImageNet/lists/test.txt"
        whole = test.read_text()
        test.write_text(whole.split("\n", 1)[1])
        split, _ = ImageNet.process()
        assert (split.partial, split.note) == (True, "19 of the 20 lines of test.txt")
        for line, complaint in [
            ("x/n01_0.JPEG 1 0 0 0", r"line 2 of .*database\.txt has other labels for .* than line 1 of .*test\.txt"),
            ("x/n05_77.JPEG 1 0 0 0", "line 1 of .*has an image of n05 with the class of n09"),
            ("x/ILSVRC2012_val_00000000.JPEG 1 0 1 0", "line 1 of .*has 2 classes"),
            ("x/ILSVRC2012_val_00000099.JPEG 1 0 0 0", r"1 of \d+ images are missing .*\(line 1 of .*test\.txt\)"),
        ]:
            test.write_text(line + "\n" + whole.split("\n", 1)[1])
            with pytest.raises(DataError, match=complaint):
                ImageNet.process(no_skip=True)
        assert read_split("ImageNet_test") == split


class TestCifar:
    def prepared(self, small_cifar, monkeypatch: pytest.MonkeyPatch, protocol: str):  # type: ignore[no-untyped-def]
        monkeypatch.setattr(CIFAR_10, "SIZES", {"train": 5, "query": 2, "val": 1})
        download(small_cifar.archive, official=small_cifar.official)
        CIFAR_10.process(official=small_cifar.official)
        return CIFAR_10.process(protocol, official=small_cifar.official)[0]

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
        download(small_cifar.folder, official=small_cifar.official)
        with pytest.raises(DataError, match="cifar10-2 needs test_batch and a training batch"):
            CIFAR_10.process("cifar10-2", allow_partial=True, official=small_cifar.official)


@pytest.mark.parametrize("script", [*SETS, "lists"])
def test_help_needs_no_heavy_library(script: str) -> None:
    probe = (
        f"import sys, runpy; sys.argv = ['{script}.py', '-h']\n"
        f"try: runpy.run_path({str(SCRIPTS / script)!r} + '.py', run_name='__main__')\n"
        "except SystemExit as stop: status = stop.code\n"
        "heavy = {'torch', 'numpy', 'PIL', 'pandas'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else status)"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (0, ""), done.stderr
    assert "-no_skip" in done.stdout


def test_unknown_protocol(project_home: Path) -> None:
    for processor in (CIFAR_10, MS_COCO, NUS_WIDE, MIRFLICKR25K, VOC2012, ImageNet):
        with pytest.raises(UnknownNameError, match="unknown protocol of"):
            processor.process("cifar100")  # type: ignore[attr-defined]


@pytest.mark.parametrize("script", ["CIFAR_10", "ImageNet", "MIRFLICKR25K", "MS_COCO", "NUS_WIDE", "VOC2012"])
def test_commands(project_home: Path, script: str) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, SCRIPTS / f"{script}.py", *arguments], capture_output=True, text=True, cwd=project_home, check=False
        )
        return done.returncode, done.stdout + done.stderr

    status, text = run("-h")
    assert status == 0
    assert "-protocol" in text
    status, text = run("-protocol", "cifar10-3")
    assert status == 2
    assert "Traceback" not in text
    status, text = run()
    assert status == 1
    assert f"download/{script}.py" in text or "-lists FOLDER" in text
    assert not list((project_home / "data/processed").glob("[!.]*"))
