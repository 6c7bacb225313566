"""Own images: a folder of class folders becomes a dataset, once."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from raw_trees import photo

from biodeephashing.data import load_fold, read_label_names, read_split
from biodeephashing.data.own.folder import file_names, read_folder
from biodeephashing.data.own.images import prepare_own
from biodeephashing.data.prepare.content import is_safe
from biodeephashing.data.prepare.label_table import LabelTable
from biodeephashing.errors import DataError, UsageError
from biodeephashing.settings import FOLDS

CLASSES = {"cat": 10, "dog": 20, "eel": 5}  # what the folder pets holds


def members(name: str, fold: str) -> list[str]:
    return [Path(path).name for path in load_fold(name, fold).paths]


class TestFolder:
    def test_folds_by_hand(self, pets: Path) -> None:
        outcome = prepare_own(pets)
        assert outcome.written
        assert outcome.left_out == ""
        # cats 5 + 1 + 1 of 10, dogs 10 + 2 + 2 of 20, eels 2 + 1 + 1 of 5
        assert dict(outcome.split.sizes) == {"train": 17, "val": 4, "query": 4, "database": 10}
        assert outcome.split.database == "FOLDER_pets"
        assert read_label_names("FOLDER_pets") == ["cat", "dog", "eel"]
        everything = [name for fold in FOLDS for name in members("FOLDER_pets", fold)]
        assert sorted(everything) == sorted(f"{name}-{row}.jpg" for name, count in CLASSES.items() for row in range(count))
        for fold in FOLDS:
            for path, labels in zip(members("FOLDER_pets", fold), load_fold("FOLDER_pets", fold).labels.tolist(), strict=True):
                assert labels == [int(path.startswith(name)) for name in CLASSES]
        with Image.open(load_fold("FOLDER_pets", "train").image(0)) as image, Image.open(pets / "cat/0.jpg") as first:
            assert image.size == first.size

    def test_the_same_split_in_any_order_and_place(self, pets: Path, tmp_path: Path) -> None:
        prepare_own(pets)
        other = tmp_path / "elsewhere"
        for name in reversed(CLASSES):
            for row in reversed(range(CLASSES[name])):
                (other / name).mkdir(parents=True, exist_ok=True)
                shutil.copy(pets / name / f"{row}.jpg", other / name / f"{row}.jpg")
        prepare_own(other)
        assert all(members("FOLDER_pets", fold) == members("FOLDER_elsewhere", fold) for fold in FOLDS)
        prepare_own(other, seed=1, no_skip=True)
        assert any(members("FOLDER_pets", fold) != members("FOLDER_elsewhere", fold) for fold in FOLDS)

    def test_linked_not_copied(self, pets: Path) -> None:
        prepare_own(pets)
        assert (pets / "cat/0.jpg").stat().st_nlink == 2

    def test_what_is_left_out(self, pets: Path) -> None:
        (pets / ".DS_Store").write_bytes(b"")
        (pets / "readme.txt").write_text("cats")
        (pets / "cat" / "Thumbs.db").write_text("")
        (pets / "cat" / "notes.TXT").write_text("")
        (pets / "cat" / "README").write_text("")
        photo(pets / ".trash" / "0.jpg", 0)
        photo(pets / "cat" / "._0.jpg", 0)
        (pets / "cat" / "more").symlink_to(pets / "dog", target_is_directory=True)
        outcome = prepare_own(pets)
        assert outcome.left_out == "left out: 1 .db, 2 .txt, 3 hidden, 1 linked folders, 1 without an ending"
        assert sum(outcome.split.sizes.values()) == 35

    def test_deeper_folders_and_links(self, pets: Path, tmp_path: Path) -> None:
        (pets / "cat" / "2020" / "may").mkdir(parents=True)
        (pets / "cat" / "9.jpg").rename(pets / "cat" / "2020" / "may" / "9.jpg")
        shutil.move(pets / "eel", tmp_path / "eels")
        (pets / "eel").symlink_to(tmp_path / "eels", target_is_directory=True)
        photo(tmp_path / "far.jpg", 200)
        (pets / "dog" / "far.jpg").symlink_to(tmp_path / "far.jpg")
        prepare_own(pets)
        names = {name for fold in FOLDS for name in members("FOLDER_pets", fold)}
        assert {"cat-2020-may-9.jpg", "eel-0.jpg", "dog-far.jpg"} <= names
        image = next(load_fold("FOLDER_pets", fold).image(0).parent / "dog-far.jpg" for fold in FOLDS)
        assert not image.is_symlink()

    def test_names_that_a_line_cannot_hold(self, pets: Path) -> None:
        (pets / "cat").rename(pets / "cat, big: 1")
        (pets / "dog" / "0.jpg").rename(pets / "dog" / "a,b\n.jpg")
        (pets / "dog" / "1.jpg").rename(pets / "dog" / "a,b_.jpg")
        prepare_own(pets)
        names = {name for fold in FOLDS for name in members("FOLDER_pets", fold)}
        assert "cat_ big_ 1-0.jpg" in names
        assert len({name for name in names if name.startswith("dog-a_b_")}) == 2
        assert read_label_names("FOLDER_pets")[0] == "cat, big: 1"

    def test_refusals(self, pets: Path, project_home: Path) -> None:
        def refused(match: str, path: Path = pets) -> None:
            with pytest.raises(DataError, match=match):
                prepare_own(path)
            assert list((project_home / "data/processed").glob("*")) == []

        for row in range(4):
            photo(pets / "fox" / f"{row}.jpg", row)
        (pets / "fox" / "4.jpg").write_text("no image")
        refused(r"fox/4\.jpg \(of the class fox\) is not an image that can be read")
        (pets / "fox" / "4.jpg").unlink()
        (pets / "fox" / "4.jpg").symlink_to(pets / "nowhere.jpg")
        refused(r"fox/4\.jpg is a link that leads nowhere")
        (pets / "fox" / "4.jpg").unlink()
        (pets / "fox" / "4.jpg").symlink_to(pets / "cat" / "0.jpg")
        refused(r"fox/4\.jpg \(of the class fox\) and cat/0\.jpg \(of the class cat\) are the same file")
        shutil.rmtree(pets / "fox")
        photo(pets / "first.png", 0)
        photo(pets / "second.png", 0)
        refused("2 images that lie in no class folder, the first is first.png")
        (pets / "first.png").unlink()
        (pets / "second.png").unlink()
        refused(r"there is no folder or file .*pats", pets.with_name("pats"))
        shutil.rmtree(pets / "cat")
        shutil.rmtree(pets / "dog")
        refused("only one sub-folder, eel, but each sub-folder is a class")
        shutil.rmtree(pets / "eel")
        refused("holds no sub-folders")
        for name in ("cat", "dog"):
            (pets / name).mkdir()
        refused("the class folders of .* hold no images")

    def test_folds_are_no_classes(self, pets: Path) -> None:
        for old, new in (("cat", "train"), ("dog", "Val"), ("eel", "test")):
            (pets / old).rename(pets / new)
        with pytest.raises(DataError, match=r"\(Val, test, train\) look like the folds of a split"):
            read_folder(pets)
        (pets / "test").rename(pets / "steam train")
        assert read_folder(pets)[0].classes == ["Val", "steam train", "train"]


class TestSmallClasses:
    @pytest.mark.parametrize(
        ("images", "folds"),
        [(0, ""), (1, "database"), (2, "train database"), (3, "train query database"), (4, "train val query database")],
    )
    def test_small_and_empty_classes_are_remarked(self, pets: Path, images: int, folds: str) -> None:
        """Database first, then train, query and val: nothing is lost, so nothing is refused."""
        (pets / "fox").mkdir()
        for row in range(images):
            photo(pets / "fox" / f"{row}.jpg", row)
        split = prepare_own(pets).split
        assert split.classes == ("cat", "dog", "eel", "fox")
        assert [fold for fold in FOLDS if load_fold("FOLDER_pets", fold).labels[:, 3].any()] == folds.split()
        assert sum(split.sizes.values()) == 35 + images
        named = [line for line in split.understood if line.startswith("remark: ") and "fox" in line]
        assert len(named) == (images < 4)

    def test_the_first_few_are_named(self, pets: Path) -> None:
        for number in range(30):
            photo(pets / f"small{number:02d}" / "0.jpg", number)
        remark = prepare_own(pets).split.understood[1]
        assert re.match(r"remark: classes without an image in some fold: 30 \('small00' \(1\), .* and 27 more\); 4 .*-least 4", remark)
        outcome = prepare_own(pets, least=5, no_skip=True)
        assert outcome.split.classes == ("cat", "dog", "eel")
        assert sum(outcome.split.sizes.values()) == 35
        left_out = "30 classes of fewer than 5 images, with 30 images"
        assert outcome.left_out == f"left out: {left_out}"
        assert outcome.split.reading == {"labels": "one folder per class", "least": 5, "left_out": left_out}
        assert prepare_own(pets).split == outcome.split  # as it is
        with pytest.raises(DataError, match="prepared with -least 5, not 6"):
            prepare_own(pets, least=6)
        with pytest.raises(DataError, match="1 of 33 classes have 20 images or more, but two classes are needed: the largest has 20"):
            prepare_own(pets, least=20, no_skip=True)

    def test_images_of_several_classes_keep_the_others(self, tmp_path: Path) -> None:
        labels = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 1], [0, 0, 1], [0, 0, 0], [1, 0, 0], [1, 1, 0]], np.uint8)
        large, words = LabelTable(tmp_path, list("abcdefg"), labels, ["x", "y", "z"], str).with_least(3)
        assert (large.classes, words) == (["x", "y"], "1 class of fewer than 3 images, with 1 image")
        assert large.paths == list("abcefg")  # d had z alone, e never had a class
        assert large.labels.tolist() == [[1, 0], [1, 1], [0, 1], [0, 0], [1, 0], [1, 1]]
        assert large.where(3) == "4"


class TestPreparedBefore:
    def test_it_is_skipped(self, pets: Path) -> None:
        prepare_own(pets)
        assert not prepare_own(pets).written
        assert prepare_own(pets, no_skip=True).written

    def test_another_place_of_the_same_name(self, pets: Path, tmp_path: Path) -> None:
        other = tmp_path / "second" / "pets"
        shutil.copytree(pets, other)
        prepare_own(pets)
        for no_skip in (False, True):
            with pytest.raises(DataError, match=rf"was prepared from {pets}, not from {other}: .*{other} -name NAME"):
                prepare_own(other, no_skip=no_skip)
        assert prepare_own(other, "PETS2").split.database == "PETS2"
        assert read_split("FOLDER_pets").source.startswith(f"{pets} (35 images")

    def test_a_set_that_came_otherwise(self, pets: Path, tiny_database: str) -> None:
        with pytest.raises(DataError, match="TINY was prepared from drawn at random, not from"):
            prepare_own(pets, tiny_database)

    def test_images_that_were_changed(self, pets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        prepare_own(pets)
        photo(pets / "cat" / "new.jpg", 99)
        with pytest.raises(DataError, match=r"was changed after FOLDER_pets .*-name FOLDER_pets -no_skip`, or .* -db FOLDER_pets"):
            prepare_own(pets)
        assert sum(prepare_own(pets, no_skip=True).split.sizes.values()) == 36
        (pets / "cat" / "new.jpg").rename(pets / "dog" / "new.jpg")
        with pytest.raises(DataError, match="was changed after"):
            prepare_own(pets)

    def test_the_folder_may_go(self, pets: Path) -> None:
        prepare_own(pets)
        shutil.rmtree(pets)
        outcome = prepare_own(pets)
        assert not outcome.written
        with Image.open(load_fold("FOLDER_pets", "query").image(0)) as image:
            assert image.size == (10, 8)
        with pytest.raises(DataError, match="there is no folder or file"):
            prepare_own(pets, no_skip=True)

    def test_another_split(self, pets: Path) -> None:
        prepare_own(pets, fractions="train=0.4,val=0.2,query=0.2", seed=3)
        assert not prepare_own(pets).written  # as it is
        assert not prepare_own(pets, fractions="query=0.2,train=0.4,val=0.2", seed=3).written
        for other in ({"fractions": "train=0.5,val=0.1,query=0.1"}, {"seed": 0}):
            with pytest.raises(DataError, match=r"prepared with another split \(per class, .*train 0\.4, .*; seed 3\): give -no_skip"):
                prepare_own(pets, **other)  # type: ignore[arg-type]
        assert prepare_own(pets, seed=0, no_skip=True).split.seed == 0

    def test_a_damaged_set_is_replaced(self, pets: Path, project_home: Path) -> None:
        prepare_own(pets)
        (project_home / "data/processed/FOLDER_pets/val_metadata.txt").write_text("")
        with pytest.raises(DataError, match="was changed after"):
            prepare_own(pets)
        assert prepare_own(pets, no_skip=True).written
        (project_home / f"data/processed/FOLDER_pets/images/{members('FOLDER_pets', 'val')[0]}").unlink()
        with pytest.raises(DataError, match="1 images of FOLDER_pets are missing"):
            prepare_own(pets)

    @pytest.mark.parametrize("name", ["a/b", "", ".hidden", "CIFAR_10", "voc2012"])
    def test_names(self, pets: Path, name: str) -> None:
        if name:
            with pytest.raises(UsageError):
                prepare_own(pets, name)
        else:
            assert prepare_own(pets, name).split.database == "FOLDER_pets"


@given(st.lists(st.text(min_size=1, max_size=120).filter(lambda path: "\0" not in path), max_size=8))
def test_file_names_are_safe_and_distinct(paths: list[str]) -> None:
    names = file_names(paths)
    assert len({name.lower() for name in names}) == len(paths)
    assert all(is_safe(name) and len(name.encode()) < 255 for name in names)
