"""NUS-WIDE from a small raw tree to prepared sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from prepared_sets import dealt, names
from raw_trees import nus_wide, photo

from biodeephashing.data import Vocabulary, load_fold, load_texts
from biodeephashing.data.sets import NUS_WIDE
from biodeephashing.errors import DataError


class TestNusWide:
    def test_frequent_concepts_of_what_was_fetched(self, project_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        labels = nus_wide(project_home, monkeypatch)[:, [1, 2, 0]]  # 86, 43 and 30 images
        concepts = NUS_WIDE.read(project_home / "data/raw/NUS_WIDE").classes
        assert list(concepts) == [f"concept{number:02d}" for number in range(81)]  # their file lists them in another order
        split, _ = NUS_WIDE.DATASET.prepare()
        assert split.classes == ("concept01", "concept02", "concept00")
        assert (split.partial, split.note) == (True, "77 of 87 images")
        present = [row for row in range(90) if labels[row].any() and row % 9]
        for fold, rows in dealt(77, {"train": 20, "query": 10, "val": 10}).items():
            assert names("NUS_WIDE", fold) == [f"{present[row]:04d}_{10**6 + present[row]}.jpg" for row in rows]
            assert np.array_equal(load_fold("NUS_WIDE", fold).labels, labels[[present[row] for row in rows]])

    def test_drawn_per_class(self, project_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        nus_wide(project_home, monkeypatch)
        split, _ = NUS_WIDE.DATASET.prepare("nuswide_21")
        assert dict(split.sizes) == {"train": 15, "val": 3, "query": 6, "database": 71}
        assert dict(split.overlaps) == {"train-database": 15, "val-database": 3}
        assert (load_fold("nuswide_21", "train").labels.sum(axis=0) >= 5).all()

    def test_all_images_in_one_folder(self, project_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        nus_wide(project_home, monkeypatch)
        split, _ = NUS_WIDE.DATASET.prepare()
        images = project_home / "data/raw/NUS_WIDE/images"
        for file in images.rglob("*.jpg"):
            file.rename(images / file.name)
        assert NUS_WIDE.DATASET.prepare(no_skip=True) == (split, True)

    def test_lists(self, project_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(NUS_WIDE.LISTED, "nuswide_81", (2, {"train": 4, "query": 3}))
        rows = {"train": range(4), "test": range(4, 7), "database": [*range(4), *range(7, 20)]}
        for row in range(20):
            photo(project_home / f"data/raw/NUS_WIDE/images/nus_wide/{row}.jpg", row)
        for name, members in rows.items():
            (tmp_path / f"{name}.txt").write_text("".join(f"/home/x/nus_wide/{row}.jpg {row % 2} {row % 3 // 2}\n" for row in members))
        split, _ = NUS_WIDE.DATASET.prepare("nuswide_81", lists=tmp_path)
        assert dict(split.overlaps) == {"train-database": 4, "val-database": 3}
        assert names("nuswide_81", "database") == [f"{row}.jpg" for row in rows["database"]]
        assert load_fold("nuswide_81", "train").labels.tolist() == [[0, 0], [1, 0], [0, 1], [1, 0]]
        lines = (tmp_path / "test.txt").read_text().splitlines(keepends=True)
        (tmp_path / "test.txt").write_text("".join(lines[1:]))
        split, _ = NUS_WIDE.DATASET.prepare("nuswide_81", lists=tmp_path, no_skip=True)
        assert split.note == "2 of the 3 lines of test.txt"

    @pytest.mark.parametrize(
        ("database", "columns", "sizes"),
        [
            ("nuswide-tags", [1, 2, 0], {"train": 20, "query": 10, "val": 10}),
            ("nuswide-tags-10", [1, 2], {"train": 9, "query": 7, "val": 5}),
            ("nuswide-alltags", [1, 2, 0], {"train": 20, "query": 10, "val": 10}),
        ],
    )
    def test_tags(
        self, project_home: Path, monkeypatch: pytest.MonkeyPatch, database: str, columns: list[int], sizes: dict[str, int]
    ) -> None:
        """Of each six images one has no tag, one a rare one alone, two "sea" and two "sea" and "blue" as well."""
        labels = nus_wide(project_home, monkeypatch)[:, columns]
        split, _ = NUS_WIDE.DATASET.prepare(database)
        of_concepts = [row for row in range(90) if labels[row].any() and row % 6 > 1]
        present = [row for row in of_concepts if row % 9]
        assert split.note == f"{len(present)} of {len(of_concepts)} images"
        folds = dealt(len(present), sizes)
        folds["database"] = [row for row in range(len(present)) if row not in folds["query"]]
        for fold, rows in folds.items():
            items = [present[row] for row in rows]
            assert names(database, fold) == [f"{row:04d}_{10**6 + row}.jpg" for row in items]
            assert np.array_equal(load_fold(database, fold).labels, labels[items])
            rare = [f"Rare{row} " if database == "nuswide-alltags" else "" for row in items]
            tags = [f"{before}sea{' blue' if row % 2 else ''}" for before, row in zip(rare, items, strict=True)]
            assert load_texts(database, fold).texts == tags
        assert Vocabulary.of(database).words == ("blue", "sea")
        assert (dict(split.overlaps), len(split.classes)) == (
            {"train-database": sizes["train"], "val-database": sizes["val"]},
            len(columns),
        )

    def test_a_tree_without_tags_asks_for_them(self, project_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        nus_wide(project_home, monkeypatch)
        for name, database in (("AllTags1k", "nuswide-tags"), ("TagList1k", "nuswide-tags-10"), ("All_Tags", "nuswide-alltags")):
            (project_home / f"data/raw/NUS_WIDE/NUS_WID_Tags/{name}.txt").unlink()
            with pytest.raises(DataError, match=rf"{name}\.txt is missing: run `python src/data/download/NUS_WIDE\.py -tags`"):
                NUS_WIDE.DATASET.prepare(database)
        NUS_WIDE.DATASET.prepare("NUS_WIDE")

    @pytest.mark.parametrize(
        ("name", "old", "new", "complaint"),
        [
            ("AllTags1k.txt", "1\t1\t0\t", "1\t0\t", r"line 4 of .*AllTags1k\.txt does not hold a 0 or 1 for each of the 3 tags"),
            ("AllTags1k.txt", "1\t1\t0\t", "1\t2\t0\t", r"line 4 of .*AllTags1k\.txt does not hold"),
            ("AllTags1k.txt", "0\t0\t0\t\n", "", r"AllTags1k\.txt has 89 lines, but Imagelist\.txt names 90 images"),
            ("All_Tags.txt", "1000088", "sea", r"line 2 of .*All_Tags\.txt begins with 'sea'"),
        ],
    )
    def test_strange_tags(self, project_home: Path, monkeypatch: pytest.MonkeyPatch, name: str, old: str, new: str, complaint: str) -> None:
        nus_wide(project_home, monkeypatch)
        file = project_home / "data/raw/NUS_WIDE/NUS_WID_Tags" / name
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new, 1))
        with pytest.raises(DataError, match=complaint):
            NUS_WIDE.DATASET.prepare("nuswide-tags" if name == "AllTags1k.txt" else "nuswide-alltags")

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
            NUS_WIDE.DATASET.prepare()

    def test_too_few_were_fetched(self, project_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        nus_wide(project_home, monkeypatch)
        for file in sorted((project_home / "data/raw/NUS_WIDE/images").rglob("*.jpg"))[30:]:
            file.unlink()
        with pytest.raises(DataError, match=r"there are \d+ items, too few for the split \(20 train \+ 10 query \+ 10 val"):
            NUS_WIDE.DATASET.prepare()
        for file in sorted((project_home / "data/raw/NUS_WIDE/images").rglob("*.jpg"))[8:]:
            file.unlink()
        with pytest.raises(DataError, match=r"class 'concept00' has \d images that no rarer class took"):
            NUS_WIDE.DATASET.prepare("nuswide_21")
