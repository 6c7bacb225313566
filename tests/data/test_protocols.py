"""What all benchmarks have in common: links, names, disjoint folds, commands, and the same bytes wherever they are made."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from prepared_sets import names
from raw_trees import PREPARED
from scripts import run_script

from biodeephashing.data.sets import CIFAR_10, MIRFLICKR25K, MS_COCO, NUS_WIDE, VOC2012, ImageNet
from biodeephashing.errors import UnknownNameError
from biodeephashing.settings import FOLDS

SCRIPTS = Path(CIFAR_10.__file__).parents[1] / "process"


def texts(home: Path, database: str) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted((home / "data/processed" / database).glob("*.*"))}


@pytest.mark.parametrize("database", PREPARED)
def test_same_bytes_elsewhere(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another root, working directory and order of files on disk change nothing; nor does a second time."""
    dataset, make = PREPARED[database]
    seen = []
    for turned in (False, True):
        home = tmp_path / f"home{turned}"
        home.mkdir()
        monkeypatch.setenv("BIODEEPHASHING_HOME", str(home))
        monkeypatch.chdir(tmp_path if turned else home)
        make(home, monkeypatch, turned)
        split, written = dataset.prepare(database)
        assert written
        assert dataset.prepare(database) == (split, False)
        seen.append(texts(home, database))
        assert dataset.prepare(database, no_skip=True) == (split, True)
        assert texts(home, database) == seen[-1]
        assert split.database == database
        assert str(home) not in json.dumps(dataclasses.asdict(split))
        images = len({name for fold in FOLDS for name in names(database, fold)})
        assert split.understood[0].startswith(f"{images} images, {len(split.classes)} classes ({split.classes[0]}, ")
        assert split.understood[0].endswith(f", labels as {split.reading['labels']}")
    assert set(seen[0]) == {"label_names.txt", "split.json", *(f"{fold}_metadata.txt" for fold in FOLDS), *split.sha256}
    assert split.has_texts == ("captions" in database or "tags" in database)
    assert seen[0] == seen[1]


@pytest.mark.parametrize("database", PREPARED)
def test_images_are_links_and_no_query_is_anywhere_else(database: str, project_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, make = PREPARED[database]
    make(project_home, monkeypatch)
    split, _ = dataset.prepare(database)
    raw = {path.name: path for path in (project_home / "data/raw").rglob("*.*") if path.suffix.lower() in (".jpg", ".jpeg")}
    folds = {fold: set(names(database, fold)) for fold in FOLDS}
    used, images = set.union(*folds.values()), project_home / "data/processed" / database / "images"
    assert {path.name for path in images.iterdir()} == used
    assert all((images / name).samefile(raw[name]) for name in used)
    assert dict(split.sizes) == {fold: len(members) for fold, members in folds.items()}
    counts = {f"{a}-{b}": len(folds[a] & folds[b]) for i, a in enumerate(FOLDS) for b in FOLDS[i + 1 :]}
    assert dict(split.overlaps) == {pair: count for pair, count in counts.items() if count}
    assert not any("query" in pair for pair in split.overlaps)
    assert "train-val" not in split.overlaps
    assert all(word in split.rule for word in ("train", "quer", "val", "database"))


def test_unknown_protocol(project_home: Path) -> None:
    for module in (CIFAR_10, MS_COCO, NUS_WIDE, MIRFLICKR25K, VOC2012, ImageNet):
        with pytest.raises(UnknownNameError, match="unknown protocol of"):
            module.DATASET.prepare("cifar100")


@pytest.mark.parametrize("script", ["CIFAR_10", "ImageNet", "MIRFLICKR25K", "MS_COCO", "NUS_WIDE", "VOC2012"])
def test_commands(project_home: Path, script: str, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        status = run_script(SCRIPTS / f"{script}.py", *arguments)
        return status, "".join(capsys.readouterr())

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
