"""split.json: facts, checksums, and what is said about datasets that are not as they should be."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest

from biodeephashing.checksums import digest
from biodeephashing.data import known_databases, load_fold, process, read_split
from biodeephashing.data.catalogue import NAMES, prepared_names
from biodeephashing.data.prepare import write
from biodeephashing.data.prepare.content import DatasetContent
from biodeephashing.data.prepare.splits import Protocol
from biodeephashing.data.prepare.write import prepare
from biodeephashing.data.split import checksums, write_split
from biodeephashing.errors import DataError, UnknownNameError


@pytest.fixture
def folder(tiny_database: str, project_home: Path) -> Path:
    return project_home / "data" / "processed" / tiny_database


def test_facts(folder: Path) -> None:
    split = read_split("TINY")
    assert dict(split.sizes) == {"train": 32, "val": 16, "query": 16, "database": 32}
    assert split.classes == ("blue", "green", "red", "grey")
    assert not split.partial
    assert split.caption == "TINY, disjoint split (train 32, val 16, query 16, database 32)"
    assert dict(split.sha256) == checksums(folder)


@pytest.mark.parametrize("name", ["train_metadata.txt", "val_metadata.txt", "query_metadata.txt", "database_metadata.txt"])
def test_changed_and_missing_metadata(folder: Path, name: str) -> None:
    file = folder / name
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(reversed(lines)))  # the same images in another order are another dataset
    with pytest.raises(DataError, match=f"{name} was changed after"):
        load_fold("TINY", "query")
    file.unlink()
    with pytest.raises(DataError, match=f"{name} is missing"):
        read_split("TINY")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"database": "TINY"}', b"\xff"])
def test_damaged_split(folder: Path, content: str | bytes) -> None:
    (folder / "split.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=r"split\.json"):
        read_split("TINY")


def test_unfinished_set(folder: Path) -> None:
    (folder / "split.json").unlink()
    with pytest.raises(DataError, match="unfinished"):
        read_split("TINY")


@pytest.mark.parametrize(
    ("name", "value"),
    [("sha256", 5), ("sizes", []), ("overlaps", None), ("classes", "abc"), ("understood", "abc"), ("reading", []), ("seed", "0")],
)
def test_a_value_of_another_kind(folder: Path, name: str, value: object) -> None:
    content = json.loads((folder / "split.json").read_text())
    (folder / "split.json").write_text(json.dumps(content | {name: value}))
    with pytest.raises(DataError, match=rf"split\.json is damaged \({name} is {re.escape(repr(value))}\)"):
        read_split("TINY")


def test_room_for_a_second_view(folder: Path) -> None:
    """A dataset with texts beside its images may list further files; they are checked as the metadata files are."""
    split = read_split("TINY")
    (folder / "train_texts.txt").write_text("a red square")
    write_split(folder, dataclasses.replace(split, sha256={**split.sha256, "train_texts.txt": digest(folder / "train_texts.txt")}))
    assert set(read_split("TINY").sha256) == {*split.sha256, "train_texts.txt"}
    (folder / "train_texts.txt").write_text("a blue square")
    with pytest.raises(DataError, match=r"train_texts\.txt was changed"):
        read_split("TINY")


def test_renamed_set(folder: Path) -> None:
    folder.rename(folder.with_name("OTHER"))
    with pytest.raises(DataError, match=r"describes another dataset \(TINY\)"):
        read_split("OTHER")


def test_sizes_that_disagree(folder: Path) -> None:
    content = json.loads((folder / "split.json").read_text())
    content["sizes"]["query"] = 17
    (folder / "split.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"holds 16 images with 4 labels, but split\.json beside it says 17 and 4"):
        load_fold("TINY", "query")


def test_known_databases(tiny_database: str) -> None:
    assert {"CIFAR_10", "DIGITS", "TINY", "cifar10-2"} <= set(known_databases())


def test_the_catalogue_lists_every_script() -> None:
    scripts = {path.stem for path in Path(process.__file__).parent.glob("[!_]*.py")}
    assert set(NAMES) == scripts - {"lists", "FOLDER", "FEATURES", "MAT"}
    names = prepared_names()
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("wrong", "right"), [("CIFAR10", "cifar10"), ("CIFAR_100", "CIFAR_10"), ("digits", "DIGITS"), ("TINNY", "TINY")])
def test_misspelt_name(tiny_database: str, wrong: str, right: str) -> None:
    with pytest.raises(UnknownNameError, match=f"unknown dataset '{wrong}': did you mean '{right}'"):
        load_fold(wrong, "train")


def test_not_prepared(project_home: Path) -> None:
    with pytest.raises(DataError, match=r"DIGITS has not been prepared: run `python src/data/process/DIGITS\.py` "):
        load_fold("DIGITS", "train")
    download = r"run `python src/data/download/CIFAR_10\.py` and then `python src/data/process/CIFAR_10\.py`"
    with pytest.raises(DataError, match=download):
        load_fold("CIFAR_10", "train")
    (project_home / "data/raw/CIFAR_10").mkdir(parents=True)
    with pytest.raises(DataError, match=r"prepared: run `python src/data/process/CIFAR_10\.py`"):
        load_fold("CIFAR_10", "train")
    with pytest.raises(DataError, match=r"cifar10-2 has not been prepared: run `python src/data/process/CIFAR_10\.py -protocol cifar10-2`"):
        load_fold("cifar10-2", "train")


def test_a_split_of_an_older_version(folder: Path) -> None:
    content = json.loads((folder / "split.json").read_text())
    older = {name: value for name, value in content.items() if name not in ("overlaps", "understood", "reading")}
    assert len(older) == len(content) - 3
    (folder / "split.json").write_text(json.dumps(older))
    split = read_split("TINY")
    assert (split.overlaps, split.understood, split.reading) == ({}, (), {})


def content_of(write_image: object, marker: str = "") -> DatasetContent:
    rows = np.arange(4)
    return DatasetContent(
        files=[f"{row}.png" for row in rows],
        labels=np.array([[1, 0], [0, 1]] * 2, np.uint8),
        classes=["odd", "even"],
        folds={fold: rows[index : index + 1] for index, fold in enumerate(("train", "val", "query", "database"))},
        write_image=write_image,  # type: ignore[arg-type]
        protocol=Protocol("disjoint", ""),
        source=marker,
    )


def state(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def touch(row: int, path: Path) -> None:
    path.write_bytes(b"image")


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt(), DataError("bad")])
def test_interrupted_preparation_leaves_what_was_there(project_home: Path, failure: BaseException) -> None:
    def fail(row: int, path: Path) -> None:
        if row == 2:
            raise failure
        touch(row, path)

    processed = project_home / "data" / "processed"
    with pytest.raises(type(failure)):
        prepare("SET", lambda: content_of(fail))
    assert not [path for path in processed.iterdir() if path.is_dir()]

    prepare("SET", lambda: content_of(touch, "first"))
    before = state(processed / "SET")
    with pytest.raises(type(failure)):
        prepare("SET", lambda: content_of(fail, "second"), no_skip=True)
    assert state(processed / "SET") == before
    assert [path.name for path in processed.iterdir() if path.is_dir()] == ["SET"]


def test_a_set_in_a_read_only_folder_is_used_as_it_is(project_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare("SET", lambda: content_of(touch))
    monkeypatch.setattr(write.os, "access", lambda *_: False)
    monkeypatch.setattr(write, "only_process", None)
    split, written = prepare("SET", lambda: pytest.fail("built for nothing"))
    assert (split.database, written) == ("SET", False)


def test_skip_and_no_skip(project_home: Path) -> None:
    _, written = prepare("SET", lambda: content_of(touch, "first"))
    assert written
    split, written = prepare("SET", lambda: pytest.fail("built for nothing"))
    assert (split.source, written) == ("first", False)
    split, written = prepare("SET", lambda: content_of(touch, "second"), no_skip=True)
    assert (split.source, written) == ("second", True)


def test_killed_while_replacing(project_home: Path) -> None:
    """Killed after the old set was moved aside and before the new one took its place: the old one comes back."""
    prepare("SET", lambda: content_of(touch, "first"))
    folder = project_home / "data" / "processed" / "SET"
    folder.rename(folder.with_name(".SET.old"))
    folder.with_name(".SET.new").mkdir()
    split, written = prepare("SET", lambda: pytest.fail("built for nothing"))
    assert (split.source, written) == ("first", False)
    assert [path.name for path in folder.parent.iterdir() if path.is_dir()] == ["SET"]


def test_replacing_a_linked_set_keeps_what_the_link_leads_to(project_home: Path) -> None:
    prepare("SET", lambda: content_of(touch, "first"))
    folder, elsewhere = project_home / "data/processed/SET", project_home / "large_disk"
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)
    split, _ = prepare("SET", lambda: content_of(touch, "second"), no_skip=True)
    assert split.source == "second"
    assert (elsewhere / "split.json").is_file()


def test_lost_image_and_foreign_folder(project_home: Path) -> None:
    prepare("SET", lambda: content_of(touch))
    (project_home / "data/processed/SET/images/2.png").unlink()
    with pytest.raises(DataError, match=r"1 images of SET are missing, the first is data/processed/SET/images/2\.png"):
        prepare("SET", lambda: pytest.fail("built for nothing"))
    (project_home / "data/processed/MINE").mkdir()
    with pytest.raises(DataError, match="made by something else"):
        prepare("MINE", lambda: content_of(touch))


def test_split_is_written_whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    split, before = read_split("TINY"), (folder / "split.json").read_bytes()
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        write_split(folder, split)
    assert (folder / "split.json").read_bytes() == before
    assert not list(folder.glob(".*"))
