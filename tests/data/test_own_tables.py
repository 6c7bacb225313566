"""Own images in a CSV table, and the fractions of a split."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_trees import photo

from biodeephashing.data import load_fold, read_label_names
from biodeephashing.data.own.images import parse_fractions, prepare_own
from biodeephashing.data.own.table import read_table
from biodeephashing.data.prepare.splits import per_class_share, random_split, share_sizes
from biodeephashing.errors import DataError, UsageError
from biodeephashing.settings import FOLDS


def table(folder: Path, *lines: str, header: str = "file,labels", images: int = 12) -> Path:
    """A CSV table beside some images ``0.jpg``, ``1.jpg``, ..."""
    for number in range(images):
        photo(folder / f"{number}.jpg", number)
    file = folder / "pets.csv"
    file.write_text("\n".join([header, *lines]) + "\n", "utf-8")
    return file


def rows(fold: str) -> list[tuple[str, list[int]]]:
    read = load_fold("FOLDER_pets", fold)
    return list(zip(read.paths, read.labels.tolist(), strict=True))


class TestTable:
    def test_one_class_each(self, tmp_path: Path, project_home: Path) -> None:
        lines = [f"{row}.jpg,{'cat' if row % 2 else 'dog'}" for row in range(12)]
        split = prepare_own(table(tmp_path / "in", *lines)).split
        assert split.database == "FOLDER_pets"
        assert split.rule.startswith("per class")
        assert dict(split.sizes) == {"train": 6, "val": 2, "query": 2, "database": 2}
        assert read_label_names("FOLDER_pets") == ["cat", "dog"]
        assert all(int(Path(path).stem) % 2 == labels[0] for fold in FOLDS for path, labels in rows(fold))

    def test_several_classes_and_none(self, tmp_path: Path, project_home: Path) -> None:
        lines = [f"{row}.jpg,{('cat', 'cat  dog', 'dog', '')[row % 4]}" for row in range(40)]
        split = prepare_own(table(tmp_path / "in", *lines, images=40)).split
        assert split.rule == "of all images, shuffled: train 0.5, query 0.1, val 0.1, rounded down but at least 1, the rest database"
        assert dict(split.sizes) == {"train": 20, "val": 4, "query": 4, "database": 12}
        want = random_split(40, {"train": 20, "query": 4, "val": 4}, seed=0)
        for fold in FOLDS:
            assert [int(Path(path).stem) for path, _ in rows(fold)] == want[fold].tolist()
        assert all(labels == [[1, 0], [1, 1], [0, 1], [0, 0]][int(Path(path).stem) % 4] for fold in FOLDS for path, labels in rows(fold))

    def test_vectors(self, tmp_path: Path) -> None:
        read = read_table(table(tmp_path, "0.jpg,0 0 1", "", '"1.jpg", 1  1 0 ', "2.jpg,0 0 0"))
        assert read.classes == ["0", "1", "2"]
        assert read.labels.tolist() == [[0, 0, 1], [1, 1, 0], [0, 0, 0]]
        assert read.where(1) == f"line 4 of {tmp_path / 'pets.csv'}"

    def test_digits_are_names(self, tmp_path: Path) -> None:
        read = read_table(table(tmp_path, "0.jpg,1", "1.jpg,0", "2.jpg,7"))
        assert read.classes == ["0", "1", "7"]
        assert read.labels.tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 1]]

    def test_paths(self, tmp_path: Path, project_home: Path) -> None:
        photo(tmp_path / "far" / "1.jpg", 101)
        photo(tmp_path / "in" / "deep" / "a,b.jpg", 102)
        lines = [f"{row}.jpg,{'cat' if row % 2 else 'dog'}" for row in range(10)]
        more = [f"{tmp_path / 'far' / '1.jpg'},cat", '"deep\\a,b.jpg",dog', "../far/../in/11.jpg,cat"]
        prepare_own(table(tmp_path / "in", *lines, *more))
        names = {Path(path).name for fold in FOLDS for path, _ in rows(fold)}
        assert {"deep-a_b.jpg", "far-in-11.jpg", "1.jpg"} <= names
        assert len(names) == 13

    def test_a_table_from_a_spreadsheet(self, tmp_path: Path) -> None:
        file = table(tmp_path, "0.jpg,häuser", "1.jpg,cat")
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
        assert read_table(file).classes == ["cat", "häuser"]

    @pytest.mark.parametrize(
        ("lines", "complaint"),
        [
            ([], "names no images"),
            (["0.jpg,", "1.jpg,"], "holds no labels at all"),
            (["0.jpg,cat", "1.jpg"], r"line 3 of .*pets\.csv is not `<file>,<labels>` but has 1 columns: a path with a comma"),
            (["0.jpg,cat", "a,b.jpg,cat"], "line 3 .* has 3 columns: a path with a comma is put in double quotes"),
            (["0.jpg,cat", ",cat"], "line 3 .* 2 columns or no file"),
            (["0.jpg,cat dog cat"], "line 2 .* has a class twice: cat dog cat"),
            (['0.jpg,"cat,dog"'], "line 2 .* has the class 'cat,dog': classes are separated by blanks"),
            (["0.jpg,0 1", "1.jpg,0 1 1"], r"line 3 of .* has 3 labels, but line 2 of .* has 2"),
            (["0.jpg,0 1", "1.jpg,"], "line 3 .* has 0 labels, but line 2"),
            (["0.jpg,0 1", "1.jpg,0 2"], "line 3 .* has the label 2, but those of line 2 .* are a vector of 0 and 1"),
            (["0.jpg,0 1", "1.jpg,0 -1"], "line 3 .* has the label -1"),
            (["0.jpg,cat", '1.jpg,"dog', "2.jpg,cat"], r"line 3 of .*pets\.csv is no line of a CSV table .* a double quote closed"),
            (["0.jpg,[0 0 1]", "1.jpg,[1 0 1]"], r"line 2 of .* has labels in brackets, \[0 0 1\]"),
        ],
    )
    def test_lines_that_cannot_be_used(self, tmp_path: Path, lines: list[str], complaint: str) -> None:
        with pytest.raises(DataError, match=complaint):
            read_table(table(tmp_path, *lines))

    @pytest.mark.parametrize("header", ["", "file:labels", "path,label", "0.jpg,cat"])
    def test_headers(self, tmp_path: Path, header: str) -> None:
        with pytest.raises(DataError, match=rf"line 1 of .*pets\.csv is {header!r}, not `file,labels`.*comma between"):
            read_table(table(tmp_path, "0.jpg,cat", header=header))

    def test_other_separators(self, tmp_path: Path) -> None:
        for delimiter, words in {";": "a semicolon", "\t": "a tab", "|": "a bar"}.items():
            read = read_table(table(tmp_path, f"0.jpg{delimiter}cat", f'"1{delimiter}.jpg"{delimiter}dog', header=f"file{delimiter}labels"))
            assert (read.paths, read.classes) == (["0.jpg", f"1{delimiter}.jpg"], ["cat", "dog"])
            assert read.form == f"one class name per line, columns separated by {words}"
        cases = {
            ";": ["sports car; cat", "cat;", "police  car"],
            ",": ['"sports car, cat"', '" cat "', "police car"],
            "and": ["sports car and cat", "cat", "police car"],
        }
        for separator, cells in cases.items():
            read = read_table(table(tmp_path, *(f"{row}.jpg,{cell}" for row, cell in enumerate(cells))), separator)
            assert read.classes == ["cat", "police car", "sports car"], separator
            assert read.labels.tolist() == [[1, 0, 1], [1, 0, 0], [0, 1, 0]], separator
        with pytest.raises(DataError, match=r"line 2 of .* has the class '0 1': .*separated by ';' .*no vectors"):
            read_table(table(tmp_path, "0.jpg,0 1", "1.jpg,1 0"), ";")

    def test_how_labels_are_written(self, tmp_path: Path) -> None:
        """What the reader says of them; names that blanks have cut into words are pointed out, labels are not."""
        blanks = "class names separated by blanks"
        names = f"{blanks} (should {{}} be one name each: -separator ';' keeps names with blanks whole)"
        cases = {
            "one class number per line": ["0", "1", "1", "0"],
            "class numbers separated by blanks": ["2", "1 2", "1 2", "0"],
            "0/1 vectors": ["1 0", "0 1", "0 0"],
            blanks: ["cat", "dog", "cat dog", "cat dog", "dog"],
            names.format("'sports car', 'police car'"): 2 * ["sports car", "police car", "house"],
            names.format("'a x', 'b x', 'a y' and 1 more"): 2 * ["a x", "b x", "a y", "b y", "z"],
        }
        for form, cells in cases.items():
            assert read_table(table(tmp_path, *(f"{row}.jpg,{cell}" for row, cell in enumerate(cells)))).form == form, cells

    def test_the_separator_is_remembered(self, tmp_path: Path, project_home: Path) -> None:
        names = ["sports car", "police car", "house"]
        file = table(tmp_path / "in", *(f"{row}.jpg,{names[row % 3]}" for row in range(30)), images=30)
        split = prepare_own(file).split
        assert split.understood[0].startswith(
            "30 images, 4 classes (car, house, police, sports), 1 to 2 classes per image, 20 images with several (most often car + "
        )
        with pytest.raises(DataError, match=r"FOLDER_pets is prepared with -separator ' ', not ';', .*give -no_skip"):
            prepare_own(file, separator=";")
        split = prepare_own(file, separator=";", no_skip=True).split
        assert split.classes == ("house", "police car", "sports car")
        assert split.reading == {"labels": "one class name per line", "separator": ";"}
        assert prepare_own(file).split == split
        file.write_text(file.read_text().replace("house", "home"))
        with pytest.raises(DataError, match=r"was changed .*-name FOLDER_pets -separator ';' -no_skip`"):
            prepare_own(file)
        with pytest.raises(UsageError, match="-separator needs a text"):
            prepare_own(file, separator="")
        with pytest.raises(UsageError, match=r"-separator ; is for the labels of a CSV file, but .*/in is a folder"):
            prepare_own(file.parent, separator=";")

    def test_not_text(self, tmp_path: Path) -> None:
        (tmp_path / "pets.csv").write_bytes(b"file,labels\n0.jpg,cat\n\xff\xfe,cat\n")
        with pytest.raises(DataError, match=r"line 3 of .*pets\.csv is not UTF-8: save"):
            read_table(tmp_path / "pets.csv")

    @pytest.mark.parametrize(
        ("line", "complaint"),
        [
            ("3.jpg,dog", r"3\.jpg \(line 14 of .*\) and 3\.jpg \(line 5 of .*\) are the same file"),
            ("../in/3.jpg,dog", r"\.\./in/3\.jpg \(line 14 of .*\) and 3\.jpg \(line 5"),
            ("33.jpg,dog", r"1 of 13 images are missing below .*; the first is 33\.jpg \(line 14 of .*pets\.csv\): mend that line"),
            (".,dog", "1 of 13 images are missing"),
            ("pets.csv,dog", r"pets\.csv \(line 14 of .*\) is not an image that can be read"),
        ],
    )
    def test_images_that_cannot_be_used(self, tmp_path: Path, project_home: Path, line: str, complaint: str) -> None:
        lines = [f"{row}.jpg,{'cat' if row % 2 else 'dog'}" for row in range(12)]
        with pytest.raises(DataError, match=complaint):
            prepare_own(table(tmp_path / "in", *lines, line))
        assert not (project_home / "data/processed/FOLDER_pets").exists()

    def test_a_column_without_a_1_is_a_remark(self, tmp_path: Path, project_home: Path) -> None:
        lines = [f"{row}.jpg,{row % 2} {1 - row % 2} 0" for row in range(12)]
        split = prepare_own(table(tmp_path / "in", *lines)).split
        assert split.classes == ("0", "1", "2")
        assert split.understood[1:] == ("remark: classes without any image: 1 (2)",)
        assert (load_fold("FOLDER_pets", "train").labels[:, 2] == 0).all()

    def test_a_class_that_queries_could_not_find(self, tmp_path: Path, project_home: Path) -> None:
        query = int(random_split(40, {"train": 20, "query": 4, "val": 4}, seed=0)["query"][0])
        lines = [f"{row}.jpg,{'cat dog' if row != query else 'cat eel'}" for row in range(40)]
        with pytest.raises(DataError, match=r"1 of 3 classes are too small for the split: .* no image of database: 'eel' \(1 images\)"):
            prepare_own(table(tmp_path / "in", *lines, images=40))


class TestShares:
    @given(st.lists(st.integers(5, 40), min_size=1, max_size=5), st.integers(0, 99))
    @settings(deadline=None)
    def test_against_a_loop(self, counts: list[int], seed: int) -> None:
        classes = np.repeat(np.arange(len(counts)), counts)
        np.random.default_rng(seed).shuffle(classes)
        shares = parse_fractions("train=0.5,val=0.1,query=0.1")
        folds = per_class_share(classes, shares, names=[str(number) for number in range(len(counts))], seed=seed)
        assert sorted(np.concatenate(list(folds.values())).tolist()) == list(range(len(classes)))
        for number, count in enumerate(counts):
            got = {fold: int((classes[rows] == number).sum()) for fold, rows in folds.items()}
            train, tenth = count // 2, max(1, count // 10)
            assert got == {"train": train, "query": tenth, "val": tenth, "database": count - train - 2 * tenth}

    def test_exact_fractions(self) -> None:
        assert int(100 * 0.29) == 28  # what rounding would make of it
        assert share_sizes(100, parse_fractions("train=0.29,val=.1,query=0.10")) == {"train": 29, "query": 10, "val": 10}

    @pytest.mark.parametrize(
        ("count", "sizes"),
        [(21, [18, 1, 1, 1]), (20, [17, 1, 1, 1]), (4, [1] * 4), (3, [1, 1, 0, 1]), (1, [0, 0, 0, 1]), (0, [0] * 4)],
    )
    def test_small_classes(self, count: int, sizes: list[int]) -> None:
        shares = {"train": Fraction("0.9"), "query": Fraction("0.04"), "val": Fraction("0.04")}
        assert [len(rows) for rows in per_class_share(np.zeros(count, int), shares, names=["cat"]).values()] == sizes

    @pytest.mark.parametrize(
        "text",
        [
            *("", "train=0.5", "train=0.5,val=0.1", "train=0.5,val=0.1,query=x", "train=0.5,val=0.1,query=0.1,database=0.3"),
            *("train=0.5,val=0.1,val=0.1", "train=0.8,val=0.1,query=0.1", "train=0.5,val=0,query=0.1"),
            *("train=-0.5,val=0.1,query=0.1", "train=1/2,val=0.1,query=0.1"),
        ],
    )
    def test_fractions_that_cannot_be_used(self, text: str) -> None:
        with pytest.raises(UsageError, match="-fractions"):
            parse_fractions(text)
