"""Images that cannot be decoded: detected when a dataset is prepared, all of them, and refused or left out."""

from __future__ import annotations

import csv
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from raw_trees import PREPARED, photo

from biodeephashing.cli import main
from biodeephashing.data import load_fold, read_split
from biodeephashing.data.own import lists
from biodeephashing.data.own.images import prepare_own, prepare_source
from biodeephashing.data.process import FOLDER
from biodeephashing.errors import DataError, UsageError
from biodeephashing.settings import FOLDS
from biodeephashing.settings.flags import add_skip_unreadable
from biodeephashing.settings.strict_parser import StrictParser


def break_some(pets: Path) -> list[str]:
    """Break three of the 35 images, each in another way."""
    (pets / "cat/0.jpg").write_bytes(b"no image")
    whole = (pets / "dog/7.jpg").read_bytes()
    (pets / "dog/7.jpg").write_bytes(whole[:-30])
    Image.fromarray(np.full((4, 4), 40_000, np.uint16)).save(pets / "dog/9.jpg", format="PNG")
    return ["cat/0.jpg", "dog/7.jpg", "dog/9.jpg"]


def lines_of(database: str) -> dict[str, list[tuple[str, list[int]]]]:
    """Name and labels of each image, by fold."""
    folds = {name: load_fold(database, name) for name in FOLDS}
    return {name: [(Path(path).name, fold.labels[row].tolist()) for row, path in enumerate(fold.paths)] for name, fold in folds.items()}


def test_all_are_named_at_once(pets: Path, project_home: Path) -> None:
    broken = break_some(pets)
    with pytest.raises(DataError, match=r"^3 of 35 images cannot be used, and none may be left out.* -skip_unreadable 0\.09\n") as refused:
        prepare_own(pets)
    for name, reason in zip(broken, ("(of the class cat) is not an image", "cannot be read (", "more than 8 bits"), strict=True):
        (line,) = (line for line in str(refused.value).splitlines() if name in line)
        assert reason in line
    with pytest.raises(DataError, match=r"^3 of 35 images cannot be used, and at most 0\.05 of them may be left out"):
        prepare_own(pets, skip_unreadable=Fraction("0.05"))
    for row in range(20):
        (pets / f"dog/{row}.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"(?s)^21 of 35 images .*\n  and 1 more$") as refused:
        prepare_own(pets)
    assert len(str(refused.value).splitlines()) == 22
    assert not (project_home / "data/processed/FOLDER_pets").exists()


def test_left_out_is_as_if_never_there(pets: Path, tmp_path: Path, project_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = break_some(pets)
    copy = tmp_path / "copy" / "pets2"
    shutil.copytree(pets, copy, ignore=lambda folder, names: [name for name in names if f"{Path(folder).name}/{name}" in broken])
    prepare_own(copy)
    FOLDER.main([str(pets), "-skip_unreadable", "0.1"])
    out = capsys.readouterr().out
    assert "left out as unreadable: 3 " in out
    assert f"{pets / broken[0]} is not an image" in out
    assert lines_of("FOLDER_pets") == lines_of("FOLDER_pets2")
    assert read_split("FOLDER_pets").caption.endswith("PARTIAL: 3 of 35 images left out as unreadable")
    with (project_home / "data/processed/FOLDER_pets/images_left_out.csv").open() as stream:
        assert [row[0] for row in csv.reader(stream)] == ["file", *(str(pets / name) for name in broken)]
    assert not (project_home / "data/processed/FOLDER_pets2/images_left_out.csv").exists()


def test_what_is_prepared_is_compared(pets: Path) -> None:
    prepare_own(pets, "WHOLE")
    assert not prepare_own(pets, "WHOLE", skip_unreadable=Fraction(1)).written
    break_some(pets)
    with pytest.raises(DataError, match="was changed after WHOLE"):
        prepare_own(pets, "WHOLE", skip_unreadable=Fraction(1))
    prepare_own(pets, skip_unreadable=Fraction("0.1"))
    assert not prepare_own(pets, skip_unreadable=Fraction("0.09")).written
    for share, words in (("0", "but none may"), ("0.08", r"but at most 0\.08 of them may")):
        with pytest.raises(DataError, match=rf"FOLDER_pets was prepared without 3 of 35 images.*{words}.*-skip_unreadable 0\.09 keeps"):
            prepare_own(pets, skip_unreadable=Fraction(share))
    photo(pets / "cat/0.jpg", 0)
    with pytest.raises(DataError, match="was changed after FOLDER_pets"):
        prepare_own(pets, skip_unreadable=Fraction("0.1"))


def test_a_class_that_becomes_too_small(pets: Path) -> None:
    (pets / "eel/0.jpg").write_bytes(b"")
    for written in (True, False):
        outcome = prepare_own(pets, least=5, skip_unreadable=Fraction("0.1"))
        assert (outcome.written, outcome.left_out) == (written, "left out: 1 class of fewer than 5 images, with 4 images")
        assert outcome.split.classes == ("cat", "dog")


def test_where_the_split_is_given_the_others_keep_their_folds(tmp_path: Path, project_home: Path) -> None:
    files = {fold: tmp_path / f"{fold}.txt" for fold in ("train", "query", "database")}
    for number, file in enumerate(files.values()):
        file.write_text("".join(f"{10 * number + row}.jpg {row % 2} {1 - row % 2}\n" for row in range(10)))
    for row in range(30):
        photo(tmp_path / "photos" / f"{row}.jpg", row)
    lists.process("WHOLE", files, tmp_path / "photos", val_from="database", val_size=4)
    for row in (3, 14, 25):
        (tmp_path / "photos" / f"{row}.jpg").unlink()  # a second name of the one that is prepared
        (tmp_path / "photos" / f"{row}.jpg").write_bytes(b"")
    split, _ = lists.process("REST", files, tmp_path / "photos", val_from="database", val_size=4, skip_unreadable=Fraction("0.1"))
    broken = {"3.jpg", "14.jpg", "25.jpg"}
    assert lines_of("REST") == {fold: [line for line in lines if line[0] not in broken] for fold, lines in lines_of("WHOLE").items()}
    assert split.note == "3 of 30 images left out as unreadable"


@pytest.mark.parametrize("name", ["MS_COCO", "NUS_WIDE", "MIRFLICKR25K", "VOC2012", "ImageNet_test"])
def test_published_sets(name: str, project_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, make = PREPARED[name]
    make(project_home, monkeypatch)
    command = ["prepare", dataset.name]
    main(command)
    whole = lines_of(name)
    broken = whole["database"][0][0]
    (file,) = (path for path in (project_home / "data/raw").rglob(broken))
    file.unlink()
    file.write_bytes(b"")
    with pytest.raises(DataError, match=rf"^1 of .*\n  .*{broken} \(.*\) is not an image"):
        main([*command, "-no_skip"])
    assert lines_of(name) == whole  # what is prepared stays
    main([*command, "-no_skip", "-skip_unreadable", "0.05"])
    assert lines_of(name) == {fold: [line for line in lines if line[0] != broken] for fold, lines in whole.items()}
    assert read_split(name).note.endswith("images left out as unreadable")


def test_the_flag(pets: Path) -> None:
    parser = StrictParser()
    parser.add_argument("path", nargs="?")
    add_skip_unreadable(parser)
    cases = {(): "0", ("-skip_unreadable",): "0.01", ("-skip_unreadable", "0.29"): "0.29", ("--skip_unreadable=1",): "1"}
    for words, share in cases.items():
        assert parser.parse_args(words).skip_unreadable == Fraction(share), words
    for wrong in ("1.5", "x", "5%", "1e-3"):
        with pytest.raises(UsageError, match=f"{wrong!r} is not a share from 0 to 1"):
            parser.parse_args(["-skip_unreadable", wrong])
    with pytest.raises(UsageError, match="-db names a prepared dataset"):
        prepare_source(None, Fraction("0.1"))
    break_some(pets)
    said = prepare_source(pets, Fraction("0.1"))
    assert said[0].startswith("left out as unreadable: 3 ")
    assert said[1].endswith("PARTIAL: 3 of 35 images left out as unreadable")
