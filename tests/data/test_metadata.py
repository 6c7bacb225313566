"""Metadata files: exact text, tolerant reading, and every kind of bad line named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biodeephashing.data import load_fold, read_label_names, read_metadata, write_label_names, write_metadata
from biodeephashing.errors import DataError, UnknownNameError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "CIFAR_10" / "train_metadata.txt"


def written(file: Path, content: str | bytes) -> Path:
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def test_exact_text(file: Path) -> None:
    write_metadata(file, ["data/processed/X/images/a.png", "data/processed/X/images/b c.png"], np.array([[1, 0, 1], [0, 0, 0]]))
    assert file.read_bytes() == b"data/processed/X/images/a.png,1 0 1\ndata/processed/X/images/b c.png,0 0 0\n"


@pytest.mark.parametrize(
    "content",
    [
        "a.png,1 0\nb.png,0 1\n",
        "a.png,1 0\nb.png,0 1",
        "a.png,1 0\r\nb.png,0 1\r\n",
        "  a.png , 1   0 \n\tb.png\t,\t0\t1\n",
        "a.png,1 0\nb.png,0 1\n\n  \n",
        "a.png,1\x0b0\nb.png,0 1",
    ],
)
def test_blanks_are_tolerated(file: Path, content: str) -> None:
    metadata = read_metadata(written(file, content))
    assert metadata.paths == ["a.png", "b.png"]
    assert metadata.labels.dtype == np.uint8
    assert metadata.labels.tolist() == [[1, 0], [0, 1]]
    assert len(metadata) == 2


def test_one_class_and_one_image(file: Path) -> None:
    assert read_metadata(written(file, "a.png,1")).labels.tolist() == [[1]]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("b.png,0 1 0", "has 3 labels, but line 1 has 2"),
        ("b.png,0", "has 1 labels, but line 1 has 2"),
        ("b.png,0  ", "has 1 labels, but line 1 has 2"),
        ("b.png,", "has no labels"),
        ("b.png,0 2", "has the label '2'"),
        ("b.png,0 -1", "has the label '-1'"),
        ("b.png,0 1.0", "has the label '1.0'"),
        ("b.png,101", "has the label '101'"),
        ("b.png,10 ", "has the label '10'"),
        ("b.png,0 x", "has the label 'x'"),
        ("b.png,0 \xe9", "has the label 'é'"),
        ("b.png 0 1", "is not `<image path>,<label vector>`: b.png 0 1"),
        (",0 1", "is not `<image path>,<label vector>`: ,0 1"),
        ("b,c.png,0 1", "has 2 commas"),
        ("b.png,0,1", "has 2 commas"),
        ("   ", "is blank"),
    ],
)
def test_bad_line_is_named(file: Path, line: str, complaint: str) -> None:
    with pytest.raises(DataError) as error:
        read_metadata(written(file, f"a.png,1 0\n{line}\nc.png,0 0\n"))
    assert f"line 2 of {file} {complaint}" in str(error.value)
    assert "`python src/data/process/CIFAR_10.py -no_skip`" in str(error.value)


def test_bad_first_line_is_named(file: Path) -> None:
    with pytest.raises(DataError, match=r"line 1 of .* has no labels"):
        read_metadata(written(file, "a.png,\nb.png,0\n"))
    with pytest.raises(DataError, match=r"line 1 of .* has the label '01'"):
        read_metadata(written(file, "a.png,01\nb.png,0\n"))


def test_path_that_is_no_text(file: Path) -> None:
    with pytest.raises(DataError, match=r"line 2 of .* not UTF-8"):
        read_metadata(written(file, b"a.png,1\n\xff.png,1\n"))


@pytest.mark.parametrize("content", ["", "\n", "  \n\n"])
def test_empty_file(file: Path, content: str) -> None:
    with pytest.raises(DataError, match="is empty"):
        read_metadata(written(file, content))


def test_missing_file(file: Path) -> None:
    with pytest.raises(
        DataError, match=r"train_metadata.txt is missing: prepare the dataset again with `python src/data/process/CIFAR_10\.py"
    ):
        read_metadata(file)


NAMES = st.text("aZ09._-/é中 ", min_size=1, max_size=12).map(str.strip).filter(lambda name: name not in ("", "-"))  # "-" is no image


@settings(max_examples=60, deadline=None)
@given(data=st.data(), n=st.integers(1, 12), classes=st.integers(1, 9))
def test_round_trip_and_slow_reader(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, n: int, classes: int) -> None:
    paths = data.draw(st.lists(NAMES, min_size=n, max_size=n))
    labels = np.array(data.draw(st.lists(st.lists(st.integers(0, 1), min_size=classes, max_size=classes), min_size=n, max_size=n)))
    file = tmp_path_factory.mktemp("round") / "val_metadata.txt"
    write_metadata(file, paths, labels)
    metadata = read_metadata(file)
    assert metadata.paths == paths
    assert metadata.labels.tolist() == labels.tolist()
    lines = file.read_text("utf-8").split("\n")[:-1]  # the obvious way
    assert [line.split(",")[0] for line in lines] == paths
    assert [[int(token) for token in line.split(",")[1].split(" ")] for line in lines] == labels.tolist()


def test_many_lines(file: Path) -> None:
    """As many lines as a large benchmark has."""
    labels = np.random.default_rng(0).integers(0, 2, (130_000, 100), dtype=np.uint8)
    paths = [f"data/processed/X/images/{row:06d}.jpg" for row in range(len(labels))]
    write_metadata(file, paths, labels)
    metadata = read_metadata(file)
    assert metadata.paths == paths
    assert np.array_equal(metadata.labels, labels)


@pytest.mark.parametrize(
    ("paths", "labels", "complaint"),
    [
        (["a.png"], [[0, 2]], r"the labels of a.png are \[0, 2\]"),
        (["a.png", "b.png"], [[0, 1]], "2 image paths with labels of shape"),
        (["a.png"], [0], "1 image paths with labels of shape"),
        ([], np.zeros((0, 3)), "0 image paths"),
        (["a,b.png"], [[1]], "comma"),
        ([" a.png"], [[1]], "blank"),
        (["a\nb.png"], [[1]], "line break"),
        ([""], [[1]], "empty"),
    ],
)
def test_what_cannot_be_written_leaves_the_file(file: Path, paths: list[str], labels: list[object], complaint: str) -> None:
    written(file, "old.png,1\n")
    with pytest.raises(DataError, match=complaint):
        write_metadata(file, paths, np.array(labels))
    assert file.read_text() == "old.png,1\n"
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_label_names(tiny_database: str, project_home: Path) -> None:
    assert read_label_names(tiny_database) == ["blue", "green", "red", "grey"]
    file = project_home / "data/processed/TINY/label_names.txt"
    assert file.read_text() == "id,name\n0,blue\n1,green\n2,red\n3,grey\n"
    write_label_names(file, ["tench, Tinca tinca", 'say "x"'])
    assert read_label_names(tiny_database) == ["tench, Tinca tinca", 'say "x"']


@pytest.mark.parametrize(
    ("content", "line"), [("0,cat\n1,dog\n", 1), ("id,name\n1,cat\n", 2), ("id,name\n0,cat\n1\n", 3), ("id,name\n0,\n", 2), ("", 1)]
)
def test_bad_label_names(tiny_database: str, project_home: Path, content: str, line: int) -> None:
    (project_home / "data/processed/TINY/label_names.txt").write_text(content)
    with pytest.raises(DataError, match=f"line {line} of .*label_names.txt"):
        read_label_names(tiny_database)


def test_missing_label_names(tiny_database: str, project_home: Path) -> None:
    (project_home / "data/processed/TINY/label_names.txt").unlink()
    with pytest.raises(DataError, match=r"label_names\.txt is missing"):
        read_label_names(tiny_database)


@pytest.mark.parametrize(("fold", "size"), [("train", 32), ("val", 16), ("query", 16), ("database", 32)])
def test_load_fold(tiny_database: str, project_home: Path, fold: str, size: int) -> None:
    metadata = load_fold(tiny_database, fold)
    assert metadata.labels.shape == (size, 4)
    assert metadata.labels.sum(axis=0).tolist() == [size // 4] * 4
    assert all(metadata.image(row).is_file() for row in range(size))
    assert metadata.fold == fold
    assert metadata.where(2) == f"line 3 of {project_home}/data/processed/TINY/{fold}_metadata.txt"


def test_load_unknown_fold(tiny_database: str) -> None:
    with pytest.raises(UnknownNameError, match="unknown fold 'qeury': did you mean 'query'"):
        load_fold(tiny_database, "qeury")
