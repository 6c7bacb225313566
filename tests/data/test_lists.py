"""HashNet's lists: reading, writing, finding the images of foreign paths, and the datasets made of them."""

from __future__ import annotations

import codecs
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_trees import photo

from biodeephashing.data import Split, doctor, load_fold, read_label_names, read_split
from biodeephashing.data.own import lists as processor
from biodeephashing.data.prepare.image_lists import by_name, export, join, read_list, write_list
from biodeephashing.data.process import lists as script
from biodeephashing.data.sets import MS_COCO, ImageNet
from biodeephashing.errors import DataError, UsageError
from biodeephashing.settings import FOLDS


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 6), st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, rows: int, classes: int, seed: int) -> None:
    file = tmp_path_factory.mktemp("lists") / "a.txt"
    labels = np.random.default_rng(seed).integers(0, 2, (rows, classes), dtype=np.uint8)
    paths = [f"/some/where/ä{row}.jpg" for row in range(rows)]
    write_list(file, paths, labels)
    listed = read_list(file)
    assert listed.paths == paths
    assert np.array_equal(listed.labels, labels)
    assert [listed.where(row) for row in range(rows)] == [f"line {row + 1} of {file}" for row in range(rows)]


def test_blanks_and_line_ends(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(b"C:\\x\\a.jpg  1 0 \r\n b.jpg\t0   1\n\n")
    assert read_list(file).paths == ["C:/x/a.jpg", "b.jpg"]
    assert read_list(file).labels.tolist() == [[1, 0], [0, 1]]
    file.write_bytes(codecs.BOM_UTF8 + b"a.jpg 1 0\n")
    assert read_list(file).paths == ["a.jpg"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is empty"),
        ("a.jpg 1 0\nb.jpg\n", r"line 2 of .*a\.txt is not `<image path> <labels>`"),
        ("a.jpg 1 0\n\nb.jpg 1 0\n", "line 2 of"),
        ("a.jpg 1 0\nb.jpg 1\n", "line 2 of .* has 1 labels, but line 1 has 2"),
        ("a.jpg 1 0\nb.jpg 1 2\n", "line 2 of .* has the label '2', but labels are 0 or 1"),
        ("a.jpg 1 0\nmy cat.jpg 1 0\n", r"line 2 of .* has the label 'cat\.jpg'"),
        ("a.jpg 4 17\nb.jpg 5 2\n", "line 1 of .* has the label '4', .*a 0 or 1 for each class, or every line a single class number"),
        ("a.jpg 5\nb.jpg 3 17\n", "line 2 of .* has 2 labels, but line 1 has 1: .*single class number.*process/FOLDER.py"),
        ("a.jpg 5\nb.jpg cat\n", "line 2 of .* has the label 'cat', which is no class number"),
        ("a.jpg -1\nb.jpg 1\n", "line 1 of .* has the label '-1', which is no class number"),
        ("a.jpg 1 0\nb,c.jpg 1 0\n", "line 2 of .* has a comma"),
        ("a.jpg 1 0\nb.jpg 1 0\na.jpg 1 0\n", r"line 3 of .* has the same image as line 1: a\.jpg"),
    ],
)
def test_bad_lines(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(DataError, match=complaint):
        read_list(tmp_path / "a.txt")


def test_no_list(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "a.txt"):
        with pytest.raises(DataError, match=r"there is no list .* a file is needed"):
            read_list(path)
    (tmp_path / "a.txt").write_bytes(b"\xff.jpg 1\n")
    with pytest.raises(DataError, match="not UTF-8"):
        read_list(tmp_path / "a.txt")
    with pytest.raises(DataError, match=r"'my cat\.jpg' holds a blank"):
        write_list(tmp_path / "b.txt", ["my cat.jpg"], np.ones((1, 2), np.uint8))
    with pytest.raises(DataError, match="a single 0 or 1 in a line is a class number"):
        write_list(tmp_path / "b.txt", ["cat.jpg"], np.ones((1, 1), np.uint8))
    assert not (tmp_path / "b.txt").exists()


def test_foreign_paths(tmp_path: Path) -> None:
    for name in ("train2014/a.jpg", "val2014/a.jpg", "val2014/deep/b.jpg"):
        photo(tmp_path / name, 0)
    path_of = by_name(tmp_path)
    assert path_of("/home/somebody/coco/val2014/a.jpg") == "val2014/a.jpg"
    assert path_of("./data/train2014/a.jpg") == "train2014/a.jpg"
    assert path_of("/home/somebody/b.jpg") == "val2014/deep/b.jpg"
    assert path_of("/home/../somebody/./c.jpg") == "home/somebody/c.jpg"
    with pytest.raises(DataError, match=r"/elsewhere/a\.jpg may mean train2014/a\.jpg or val2014/a\.jpg below"):
        path_of("/elsewhere/a.jpg")


def test_paths_of_benchmarks() -> None:
    assert MS_COCO.path_of("COCO_train2014_000000000009.jpg") == "train2014/COCO_train2014_000000000009.jpg"
    assert MS_COCO.path_of("/coco/val2014/7.jpg") == "val2014/7.jpg"
    assert ImageNet.path_of("n01440764_10026.JPEG") == "train/n01440764/n01440764_10026.JPEG"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """20 photographs, three classes; 6 train, 4 query, and a database of the other 10 and the training images."""
    for row in range(20):
        photo(tmp_path / f"photos/{row % 2}/{row}.jpg", row)
    for name, rows in {"train": range(6), "test": range(6, 10), "database": [*range(10, 20), *range(6)]}.items():
        text = "".join(f"/home/x/{row}.jpg {int(row % 3 == 0)} {row % 2} {int(row % 3 == 1)}\n" for row in rows)
        (tmp_path / f"{name}.txt").write_text(text)
    return tmp_path


def files(folder: Path) -> dict[str, Path]:
    return {fold: folder / f"{name}.txt" for fold, name in (("train", "train"), ("query", "test"), ("database", "database"))}


def numbers(fold: str) -> list[int]:
    return [int(Path(path).stem) for path in load_fold("MINE", fold).paths]


class TestProcess:
    def test_val_from_the_database(self, project_home: Path, folder: Path) -> None:
        split, written = processor.process("MINE", files(folder), folder / "photos", val_from="database", val_size=3)
        assert written
        assert dict(split.sizes) == {"train": 6, "val": 3, "query": 4, "database": 13}
        assert dict(split.overlaps) == {"train-database": 6}
        assert numbers("query") == [6, 7, 8, 9]
        assert set(numbers("val")) < set(range(10, 20))
        assert numbers("database") == [row for row in [*range(10, 20), *range(6)] if row not in numbers("val")]
        assert load_fold("MINE", "query").labels.tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 0], [1, 1, 0]]
        assert read_label_names("MINE") == ["0", "1", "2"]

    @pytest.mark.parametrize(
        ("source", "left"), [("train", {"train": 4, "query": 4, "database": 14}), ("query", {"train": 6, "query": 2, "database": 16})]
    )
    def test_val_from_elsewhere_leaves_every_other_fold(self, project_home: Path, folder: Path, source: str, left: dict[str, int]) -> None:
        split, _ = processor.process("MINE", files(folder), folder / "photos", val_from=source, val_size=2)
        assert dict(split.sizes) == {"val": 2, **left}
        assert not any("val" in pair for pair in split.overlaps)

    def test_more_val_than_there_is(self, project_home: Path, folder: Path) -> None:
        with pytest.raises(UsageError, match="-val_size 10 is too many: database has 10 images that could be drawn"):
            processor.process("MINE", files(folder), folder / "photos", val_from="database", val_size=10)
        assert not (project_home / "data/processed/MINE").exists()

    def test_val_of_its_own_and_class_names(self, project_home: Path, folder: Path) -> None:
        lines = (folder / "database.txt").read_text().splitlines(keepends=True)
        (folder / "val.txt").write_text("".join(lines[:2]))
        (folder / "database.txt").write_text("".join(lines[2:]))
        (folder / "names.txt").write_text("sky\nsea\nsun\n")
        lists = files(folder) | {"val": folder / "val.txt"}
        processor.process("MINE", lists, folder / "photos", classes=folder / "names.txt")
        assert numbers("val") == [10, 11]
        assert read_label_names("MINE") == ["sky", "sea", "sun"]
        (folder / "names.txt").write_text("sky\nsky\nsun\n")
        with pytest.raises(DataError, match=r"line 2 of .*names\.txt is 'sky'"):
            processor.process("MINE", lists, folder / "photos", classes=folder / "names.txt", no_skip=True)
        (folder / "names.txt").write_text("sky\nsea\n")
        with pytest.raises(DataError, match=r"there are 2 class names, but .* has 3 labels"):
            processor.process("MINE", lists, folder / "photos", classes=folder / "names.txt", no_skip=True)

    def test_a_query_in_the_database(self, project_home: Path, folder: Path) -> None:
        with (folder / "database.txt").open("a") as file:
            file.write("elsewhere/7.jpg 0 1 1\n")
        arguments = ("MINE", files(folder), folder / "photos")
        complaint = (
            r"1 image is in both query and database, the first is 7\.jpg \(line 2 of .*/test\.txt and line 17 of .*/database\.txt\): "
        )
        with pytest.raises(DataError, match=complaint + r".*allows: train-database\).*-allow query-database"):
            processor.process(*arguments, val_from="database", val_size=3)
        assert not (project_home / "data/processed/MINE").exists()
        split, _ = processor.process(*arguments, val_from="database", val_size=3, allow=["query-database"])
        assert dict(split.overlaps) == {"train-database": 6, "query-database": 1}
        assert "shared: train-database 6, query-database 1" in split.caption

    @pytest.mark.parametrize(
        ("line", "complaint"),
        [
            ("x/7.jpg 0 0 0\n", r"line 17 of .*database\.txt has other labels for x/7\.jpg than line 2 of .*test\.txt"),
            ("x/1.jpg 0 1 1\n", r"line 17 of .*means the same image as line 12: x/1\.jpg and /home/x/1\.jpg"),
            ("x/77.jpg 0 1 1\n", r"1 of 21 images are missing .*77\.jpg \(line 17 of .*database\.txt\): -images"),
            ("x/77.jpg 0 1\n", "line 17 of .*has 2 labels, but line 1 has 3"),
        ],
    )
    def test_lines_that_disagree(self, project_home: Path, folder: Path, line: str, complaint: str) -> None:
        with (folder / "database.txt").open("a") as file:
            file.write(line)
        with pytest.raises(DataError, match=complaint):
            processor.process("MINE", files(folder), folder / "photos", val_from="database", val_size=3, allow=["query-database"])
        assert not (project_home / "data/processed/MINE").exists()

    def test_no_folder_of_images(self, project_home: Path, folder: Path) -> None:
        with pytest.raises(DataError, match=r"there is no folder .*nowhere: -images FOLDER says"):
            processor.process("MINE", files(folder), folder / "nowhere", val_from="database", val_size=3)

    def test_missing_images_of_one_name(self, project_home: Path, folder: Path) -> None:
        with (folder / "database.txt").open("a") as file:
            file.write("/x/cat/77.jpg 0 1 1\n/x/dog/77.jpg 0 1 1\n")
        with pytest.raises(DataError, match=r"2 of 22 images are missing .* the first is x/cat/77\.jpg \(line 17 of"):
            processor.process("MINE", files(folder), folder / "photos", val_from="database", val_size=3)

    def test_lists_of_different_width(self, project_home: Path, folder: Path) -> None:
        (folder / "test.txt").write_text("x/7.jpg 0 1\n")
        with pytest.raises(DataError, match=r"test\.txt has 2 labels in a line, but .*train\.txt has 3"):
            processor.process("MINE", files(folder), folder / "photos", val_from="database", val_size=3)

    def test_a_class_without_images(self, project_home: Path, folder: Path) -> None:
        for file in files(folder).values():
            file.write_text(file.read_text().replace("\n", " 0\n"))
        for allow_empty in (False, True):
            details = {"val_from": "database", "val_size": 3, "allow_empty": allow_empty, "no_skip": True}
            split, _ = processor.process("MINE", files(folder), folder / "photos", **details)
            assert ("remark: classes without any image: 1 (3)" in split.understood) is not allow_empty

    def test_damaged_image(self, project_home: Path, folder: Path) -> None:
        (folder / "photos/1/7.jpg").write_bytes(b"")
        with pytest.raises(DataError, match=r"7\.jpg \(line 2 of .*test\.txt\) is not an image that can be read"):
            processor.process("MINE", files(folder), folder / "photos", val_from="database", val_size=3)
        assert not (project_home / "data/processed/MINE").exists()

    @pytest.mark.parametrize(
        ("name", "details", "complaint"),
        [
            ("CIFAR_10", {"val_from": "train", "val_size": 1}, r"CIFAR_10 is what src/data/process/CIFAR_10\.py prepares"),
            ("a/b", {"val_from": "train", "val_size": 1}, "cannot be the name"),
            ("MINE", {}, "either -val FILE, or -val_from"),
            ("MINE", {"val_from": "val", "val_size": 1}, "unknown fold to draw val from 'val'.* Known: database, query, train"),
            ("MINE", {"val_from": "train"}, "-val_size 0 cannot be"),
            ("MINE", {"val_from": "train", "val_size": 1, "allow": ["database-query"]}, "database-query is no pair of folds"),
        ],
    )
    def test_bad_arguments(self, project_home: Path, folder: Path, name: str, details: dict[str, object], complaint: str) -> None:
        with pytest.raises(UsageError, match=complaint):
            processor.process(name, files(folder), folder / "photos", **details)  # type: ignore[arg-type]
        assert not (project_home / "data/processed").exists()


class TestClassNumbers:
    """One number in every line is a class, whatever the numbers are; the 20 photographs of the folder, by row."""

    def prepare(self, folder: Path, number: Callable[[int], object], **details: Any) -> Split:
        for file in files(folder).values():
            rows = [int(Path(line.split()[0]).stem) for line in file.read_text().splitlines()]
            file.write_text("".join(f"/home/x/{row}.jpg {number(row)}\n" for row in rows))
        return processor.process("MINE", files(folder), folder / "photos", val_from="database", val_size=3, no_skip=True, **details)[0]

    @pytest.mark.parametrize(
        ("number", "classes"),
        [
            (lambda row: row % 2, ["0", "1"]),
            (lambda row: (17, 3, 200)[row % 3], ["3", "17", "200"]),
            (lambda row: 7 if row < 6 else row % 2, ["0", "1", "7"]),  # train has one class, which the queries lack
        ],
    )
    def test_classes_of_all_lists(
        self, project_home: Path, folder: Path, number: Callable[[int], int], classes: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        split = self.prepare(folder, number)
        assert split.classes == tuple(classes)
        shown = f"20 images, {len(classes)} classes ({', '.join(classes)}), 1 class per image, labels as one class number per line"
        assert split.understood[0] == shown
        for fold in FOLDS:
            expected = [[int(name == str(number(row))) for name in classes] for row in numbers(fold)]
            assert load_fold("MINE", fold).labels.tolist() == expected
        doctor.main(["MINE"])
        assert shown in capsys.readouterr().out.splitlines()

    def test_class_names(self, project_home: Path, folder: Path) -> None:
        for text in ("sky\nsea\nsun\n", "id,name\n0,sky\n1,sea\n2,sun\n"):
            (folder / "names.txt").write_text(text)
            split = self.prepare(folder, lambda row: 2 * (row % 2), classes=folder / "names.txt", allow_empty=True)
            assert split.classes == ("sky", "sea", "sun")
            assert load_fold("MINE", "query").labels.tolist() == [[1, 0, 0], [0, 0, 1], [1, 0, 0], [0, 0, 1]]
        with pytest.raises(DataError, match=r"line 1 of .*train\.txt and line 11 of .*database\.txt has the class number 3, but .* 0 to 2"):
            self.prepare(folder, lambda row: 3 - row % 3, classes=folder / "names.txt")

    def test_refused(self, project_home: Path, folder: Path) -> None:
        with pytest.raises(DataError, match=r"only one class, '1', .*two classes are needed"):
            self.prepare(folder, lambda row: 1)
        with pytest.raises(DataError, match=r"every image has a class number of its own, 0 the first \(line 1 of .*train\.txt"):
            self.prepare(folder, lambda row: row)
        with pytest.raises(DataError, match="only one class, '0'"):
            self.prepare(folder, lambda row: "1 0", allow_empty=True)
        (folder / "test.txt").write_text("x/7.jpg 0\n")
        with pytest.raises(DataError, match=r"test\.txt has one class number in a line, but .*train\.txt has 2 labels in a line"):
            processor.process("MINE", files(folder), folder / "photos", val_from="database", val_size=3)
        assert not (project_home / "data/processed/MINE").exists()


def test_there_and_back(project_home: Path, folder: Path, tmp_path: Path) -> None:
    """A set written as lists and read again has the same folds."""
    processor.process("MINE", files(folder), folder / "photos", val_from="database", val_size=3)
    out = tmp_path / "out"
    assert [file.name for file in export("MINE", out)] == ["train.txt", "val.txt", "test.txt", "database.txt"]
    lists = dict(zip(FOLDS, export("MINE", out), strict=True))
    processor.process("AGAIN", lists, project_home / "data/processed/MINE/images")
    for fold in FOLDS:
        first, second = load_fold("MINE", fold), load_fold("AGAIN", fold)
        assert [path.replace("/MINE/", "/AGAIN/") for path in first.paths] == second.paths
        assert np.array_equal(first.labels, second.labels)


def test_one_row_for_each_image(folder: Path) -> None:
    table, folds = join({fold: read_list(file) for fold, file in files(folder).items()}, folder, by_name(folder / "photos"))
    assert len(table) == 20
    assert folds["database"].tolist() == [*range(10, 20), *range(6)]
    assert table.where(12) == f"line 3 of {folder / 'database.txt'}"


def test_command(project_home: Path, folder: Path) -> None:
    def run(*arguments: object) -> tuple[int, str]:
        done = subprocess.run([sys.executable, script.__file__, *map(str, arguments)], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    flags = [part for fold, file in files(folder).items() for part in (f"-{fold}", file)]
    status, text = run("MINE", *flags, "-images", folder / "photos", "-val_from", "query", "-val_size", "1")
    assert status == 0
    assert text.startswith("MINE, lists split (train 6, val 1, query 3, database 16; shared: train-database 6)")
    assert read_split("MINE").protocol == "lists"
    status, text = run("MINE", "-export", folder / "out")
    assert (status, len(text.splitlines())) == (0, 4)
    for arguments, complaint in [
        (["MINE", "-export", folder / "out", *flags], "takes no lists"),
        (["MINE", *flags], "-images FOLDER is needed"),
        (["MINE", *flags[2:], "-images", folder, "-val_from", "query", "-val_size", "1"], "give -train"),
    ]:
        status, text = run(*arguments)
        assert status == 2
        assert complaint in text
    status, text = run("OTHER", "-export", folder / "out")
    assert status == 2
    assert "unknown dataset 'OTHER'" in text
