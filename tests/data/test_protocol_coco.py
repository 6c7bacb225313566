"""MS COCO from a small raw tree to prepared sets."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from prepared_sets import dealt, names
from raw_trees import coco

from biodeephashing.data import Vocabulary, load_fold, load_texts, read_label_names
from biodeephashing.data.sets import MS_COCO
from biodeephashing.errors import DataError


class TestCoco:
    SIZES = {"train": 8, "query": 5, "val": 4}  # noqa: RUF012

    def test_all_images_and_all_ids(self, project_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        labels = coco(project_home, monkeypatch)
        split, _ = MS_COCO.DATASET.prepare()
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
        split, _ = MS_COCO.DATASET.prepare("coco")
        files = [f"COCO_{'train2014' if row < 24 else 'val2014'}_{row:012d}.jpg" for row in np.flatnonzero(labels.any(axis=1))]
        folds = dealt(32, self.SIZES)
        folds["database"] = [row for row in range(32) if row not in folds["query"]]
        for fold, rows in folds.items():
            assert names("coco", fold) == [files[row] for row in rows]
            assert np.array_equal(load_fold("coco", fold).labels, labels[labels.any(axis=1)][rows])
        assert read_label_names("coco") == ["person", "car", "toothbrush"]
        assert dict(split.sizes) == {"train": 8, "val": 4, "query": 5, "database": 27}
        assert dict(split.overlaps) == {"train-database": 8, "val-database": 4}

    def test_captions(self, project_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The images of coco; captions in the order of their ids, none for the first image of a part; words of three images or more."""
        labels = coco(project_home, monkeypatch)
        MS_COCO.DATASET.prepare("coco")
        split, _ = MS_COCO.DATASET.prepare("coco-captions")
        for fold in split.sizes:
            assert names("coco-captions", fold) == names("coco", fold)
            for name, text in zip(names("coco", fold), load_texts("coco-captions", fold).texts, strict=True):
                number = int(name[-8:-4])
                expected = f"view 1 of image {(1000 + 7 * number) % 5}.\tview 0 of image {(1000 + 7 * number) % 5}."
                assert text == ("" if number in (0, 24) else expected)
        assert labels[24].any()
        assert {"0", "1", "image", "of", "view"} <= set(Vocabulary.of("coco-captions").words)
        file = project_home / "data/raw/MS_COCO/annotations/captions_val2014.json"
        file.write_text(json.dumps({"images": [], "annotations": [{"image_id": 3, "id": 1, "caption": "a dog"}]}))
        with pytest.raises(DataError, match=r"captions_val2014\.json does not hold captions \(KeyError: 3\)"):
            MS_COCO.DATASET.prepare("coco-captions", no_skip=True)

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
        split, _ = MS_COCO.DATASET.prepare("coco-hashnet", lists=tmp_path)
        shared = {"val-database": 4, "query-database": 5} if self_retrieval else {"train-database": 8, "val-database": 4}
        assert dict(split.overlaps) == shared
        assert [int(name[-8:-4]) for name in names("coco-hashnet", "query")] == list(parts["test"])
        assert [int(name[-8:-4]) for name in names("coco-hashnet", "database")] == list(parts["database"])
        assert {int(name[-8:-4]) for name in names("coco-hashnet", "val")} < set(parts["database"]) - set(parts["test"]) - set(
            parts["train"]
        )
        assert not split.partial
        assert split.source.startswith("train.txt (SHA-256 ")
        assert not labels[20].any()
        with (tmp_path / "train.txt").open("a") as file:
            file.write("/home/x/coco/train2014/COCO_train2014_000000000020.jpg 1 1 1\n")
        with pytest.raises(DataError, match="has other labels for"):
            MS_COCO.DATASET.prepare("coco-hashnet", lists=tmp_path, no_skip=True)

    def test_wrong_width_and_no_lists(self, project_home: Path, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"does not hold train\.txt, test\.txt, database\.txt: .*-lists FOLDER"):
            MS_COCO.DATASET.prepare("coco-hashnet", lists=tmp_path)
        for name in ("train", "test", "database"):
            (tmp_path / f"{name}.txt").write_text("a.jpg 1 0\n")
        with pytest.raises(DataError, match=r"train\.txt has 2 labels in a line, but this protocol has 80"):
            MS_COCO.DATASET.prepare("coco-hashnet", lists=tmp_path)

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
            MS_COCO.DATASET.prepare()

    def test_damaged_and_missing(self, project_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(DataError, match=r"instances_train2014\.json is missing: run `python src/data/download/MS_COCO\.py`"):
            MS_COCO.DATASET.prepare()
        coco(project_home, monkeypatch)
        raw = project_home / "data/raw/MS_COCO"
        (raw / "val2014/COCO_val2014_000000000030.jpg").unlink()
        with pytest.raises(DataError, match=r"1 of 40 images are missing .*000030\.jpg \(image 7 of .*instances_val2014\.json\): run"):
            MS_COCO.DATASET.prepare()
        (raw / "val2014/COCO_val2014_000000000030.jpg").write_text("not an image")
        with pytest.raises(DataError, match=r"000030\.jpg \(image 7 of .*instances_val2014\.json\) is not an image that can be read"):
            MS_COCO.DATASET.prepare()
        (raw / "annotations/instances_val2014.json").write_text('{"images": [')
        with pytest.raises(DataError, match=r"instances_val2014\.json is damaged"):
            MS_COCO.DATASET.prepare()
        assert [path.name for path in (project_home / "data/processed").iterdir()] == []
