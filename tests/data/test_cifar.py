"""CIFAR-10 from download to prepared set, on a small one with checksums of its own."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import CIFAR10

from biodeephashing.cli import main
from biodeephashing.data import load_fold, read_label_names, read_split
from biodeephashing.data.sets import CIFAR_10
from biodeephashing.errors import DataError


def raw(home: Path) -> Path:
    return home / "data" / "raw" / "CIFAR_10" / "cifar-10-batches-py"


def held(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def test_official_checksums() -> None:
    official = CIFAR_10.Official()
    assert (official.url, official.md5) == (CIFAR10.url, CIFAR10.tgz_md5)
    assert list(official.batches.items()) == [tuple(pair) for pair in CIFAR10.train_list + CIFAR10.test_list]
    assert official.meta == CIFAR10.meta["md5"]
    assert official.total == 60_000


class TestDownload:
    def test_from_archive(self, project_home: Path, small_cifar) -> None:  # type: ignore[no-untyped-def]
        assert CIFAR_10.published(small_cifar.official).fetch(small_cifar.archive) == []
        assert held(raw(project_home)) == {"data_batch_1", "data_batch_2", "test_batch", "batches.meta"}
        for name in held(raw(project_home)):
            assert (raw(project_home) / name).read_bytes() == (small_cifar.folder / name).read_bytes()

    def test_from_incomplete_folder_and_then_the_rest(self, project_home: Path, small_cifar) -> None:  # type: ignore[no-untyped-def]
        (small_cifar.folder / "data_batch_2").rename(small_cifar.folder / "hidden")
        assert CIFAR_10.published(small_cifar.official).fetch(small_cifar.folder) == ["3 of 4 files of cifar-10-python.tar.gz"]
        assert held(raw(project_home)) == {"data_batch_1", "test_batch", "batches.meta"}
        before = (raw(project_home) / "data_batch_1").stat()
        assert CIFAR_10.published(small_cifar.official).fetch(small_cifar.archive) == []
        after = (raw(project_home) / "data_batch_1").stat()
        assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)  # raw data is never changed

    def test_wrong_checksum_is_refused(self, project_home: Path, small_cifar) -> None:  # type: ignore[no-untyped-def]
        with (small_cifar.folder / "data_batch_2").open("ab") as file:
            file.write(b"x")
        with pytest.raises(DataError, match=r"data_batch_2 is damaged or not the published file \(its MD5 is "):
            CIFAR_10.published(small_cifar.official).fetch(small_cifar.folder)
        assert "data_batch_2" not in held(raw(project_home))
        assert not [name for name in held(raw(project_home)) if name.startswith(".")]


class Bomb:
    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (os.environ["BIODEEPHASHING_HOME"] + "/exploded",)


class TestReading:
    @pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
    def test_bomb_is_refused(self, project_home: Path, protocol: int) -> None:
        file = project_home / "batch"
        file.write_bytes(pickle.dumps({b"data": Bomb()}, protocol=protocol))
        with pytest.raises(DataError, match=r"it asks for .*, which images do not need"):
            CIFAR_10.load(file)
        assert not (project_home / "exploded").exists()

    @pytest.mark.parametrize(
        "content", [b"", b"text", pickle.dumps([1, 2])[:-3], b"cos\nsystem\n(S'true'\ntR.", b"cbuiltins\neval\n(S'1'\ntR."]
    )
    def test_no_pickle(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "batch").write_bytes(content)
        with pytest.raises(DataError, match="is no batch of images"):
            CIFAR_10.load(tmp_path / "batch")

    def test_batch_of_python_2(self, tmp_path: Path) -> None:
        """The published files were pickled by Python 2, whose texts are bytes and whose NumPy had other module names."""
        values = b"\x01\x02\x03\x04\x05\x06"
        file = tmp_path / "batch"
        file.write_bytes(
            b"\x80\x02}U\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x02K\x03\x86"
            b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x06" + values + b"tbs."
        )
        content = CIFAR_10.load(file)
        assert content[b"data"].dtype == np.uint8
        assert content[b"data"].tolist() == [[1, 2, 3], [4, 5, 6]]

    @pytest.mark.parametrize(
        ("change", "complaint"),
        [
            ({b"data": np.zeros((40, 3071), np.uint8)}, "does not hold 40 images"),
            ({b"data": np.zeros((40, 3072), np.int16)}, "does not hold 40 images"),
            ({b"data": [1]}, "does not hold 40 images"),
            ({b"labels": [0] * 39}, "does not hold 40 classes"),
            ({b"labels": [10] * 40}, "does not hold 40 classes"),
            ({b"labels": [True] * 40}, "does not hold 40 classes"),
            ({b"filenames": [b"a.png"] * 39}, "does not hold 40 names"),
            ({b"filenames": [b"../a.png"] * 40}, "does not hold 40 names"),
            ({b"filenames": [b"a,b.png"] * 40}, "does not hold 40 names"),
            ({b"filenames": [b"/etc/a.png"] * 40}, "does not hold 40 names"),
            ({b"filenames": [b".png"] * 40}, "does not hold 40 names"),
            ({b"filenames": ["a.png"] * 40}, "does not hold 40 names"),
        ],
    )
    def test_strange_batch(self, small_cifar, change: dict[bytes, object], complaint: str) -> None:  # type: ignore[no-untyped-def]
        file = small_cifar.folder / "test_batch"
        file.write_bytes(pickle.dumps({**pickle.loads(file.read_bytes()), **change}, protocol=4))
        with pytest.raises(DataError, match=f"test_batch is no batch of images: it {complaint}"):
            CIFAR_10.read_batches(small_cifar.folder, ["test_batch"], small_cifar.official)


@pytest.fixture
def small_sizes(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    sizes = {"train": 5, "query": 2, "val": 1}
    monkeypatch.setattr(CIFAR_10, "SIZES", sizes)
    return sizes


class TestProcess:
    def test_split_images_and_labels(self, project_home: Path, small_cifar, small_sizes: dict[str, int]) -> None:  # type: ignore[no-untyped-def]
        CIFAR_10.published(small_cifar.official).fetch(small_cifar.archive)
        split, written = CIFAR_10.DATASET.prepare(official=small_cifar.official)
        assert written
        assert dict(split.sizes) == {"train": 50, "val": 10, "query": 20, "database": 40}
        assert (split.partial, split.note, split.source) == (False, "", small_cifar.official.url)
        parts = [pickle.loads((small_cifar.folder / name).read_bytes()) for name in ("data_batch_1", "data_batch_2", "test_batch")]
        pixels = np.concatenate([part[b"data"] for part in parts])
        classes = [number for part in parts for number in part[b"labels"]]
        position = {name.decode(): row for row, name in enumerate(name for part in parts for name in part[b"filenames"])}
        seen = []
        for fold in ("train", "val", "query", "database"):
            metadata = load_fold("CIFAR_10", fold)
            rows = [position[metadata.image(row).name] for row in range(len(metadata))]
            assert rows == sorted(rows)
            assert metadata.labels.argmax(axis=1).tolist() == [classes[row] for row in rows]
            assert metadata.labels.sum(axis=1).tolist() == [1] * len(rows)
            for index, row in enumerate(rows):
                planes = np.array(Image.open(metadata.image(index))).transpose(2, 0, 1)
                assert np.array_equal(planes.reshape(-1), pixels[row])
            seen += rows
        assert sorted(seen) == list(range(120))
        assert read_label_names("CIFAR_10")[:2] == ["airplane", "automobile"]
        assert CIFAR_10.DATASET.prepare(official=small_cifar.official) == (split, False)

    def test_partial(self, project_home: Path, small_cifar, small_sizes: dict[str, int]) -> None:  # type: ignore[no-untyped-def]
        small_cifar.folder.joinpath("data_batch_2").unlink()
        CIFAR_10.published(small_cifar.official).fetch(small_cifar.folder)
        with pytest.raises(DataError, match=r"incomplete: data_batch_2 missing in .*-allow_partial"):
            CIFAR_10.DATASET.prepare(official=small_cifar.official)
        assert not (project_home / "data/processed/CIFAR_10").exists()
        with pytest.raises(DataError, match="class 'airplane' has 8 images, too few for the split"):
            CIFAR_10.DATASET.prepare(allow_partial=True, official=small_cifar.official)
        small_sizes["train"] = 4
        CIFAR_10.DATASET.prepare(allow_partial=True, official=small_cifar.official)
        split = read_split("CIFAR_10")
        assert (split.partial, split.note) == (True, "80 of 120 images")
        assert split.caption.endswith("(train 40, val 10, query 20, database 10), PARTIAL: 80 of 120 images")
        with pytest.raises(DataError, match="CIFAR_10 is prepared from 80 of 120 images"):
            CIFAR_10.DATASET.prepare(official=small_cifar.official)
        assert CIFAR_10.DATASET.prepare(allow_partial=True, official=small_cifar.official) == (split, False)

    def test_complete_is_not_partial(self, project_home: Path, small_cifar, small_sizes: dict[str, int]) -> None:  # type: ignore[no-untyped-def]
        CIFAR_10.published(small_cifar.official).fetch(small_cifar.archive)
        split, _ = CIFAR_10.DATASET.prepare(allow_partial=True, official=small_cifar.official)
        assert not split.partial

    def test_nothing_downloaded(self, project_home: Path, small_cifar) -> None:  # type: ignore[no-untyped-def]
        with pytest.raises(DataError, match=r"run `python src/data/download/CIFAR_10\.py` first"):
            CIFAR_10.DATASET.prepare(allow_partial=True, official=small_cifar.official)

    def test_damaged_after_the_download(self, project_home: Path, small_cifar) -> None:  # type: ignore[no-untyped-def]
        CIFAR_10.published(small_cifar.official).fetch(small_cifar.archive)
        bomb = pickle.dumps(Bomb())
        (raw(project_home) / "data_batch_1").write_bytes(bomb)
        with pytest.raises(DataError, match=r"data_batch_1 is damaged .*delete it"):
            CIFAR_10.DATASET.prepare(official=small_cifar.official)
        assert not (project_home / "exploded").exists()
        sums = {**small_cifar.official.batches, "data_batch_1": hashlib.md5(bomb).hexdigest()}
        with pytest.raises(DataError, match="it asks for"):  # even a file with the right checksum cannot run anything
            CIFAR_10.DATASET.prepare(official=dataclasses.replace(small_cifar.official, batches=sums))
        assert not (project_home / "exploded").exists()


def test_an_incomplete_download_shows_in_the_exit_status(
    project_home: Path, small_cifar, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:  # type: ignore[no-untyped-def]
    published = CIFAR_10.published(small_cifar.official)
    monkeypatch.setattr(CIFAR_10, "DATASET", dataclasses.replace(CIFAR_10.DATASET, download=published.download))
    (small_cifar.folder / "test_batch").rename(small_cifar.folder.parent / "later")
    assert main(["download", "CIFAR_10", "-from", str(small_cifar.folder)]) == 1
    assert "CIFAR-10 is incomplete in data/raw/CIFAR_10/: 3 of 4 files of" in capsys.readouterr().out
    assert main(["download", "CIFAR_10", "-from", str(small_cifar.archive)]) == 0
    assert "CIFAR-10 is complete" in capsys.readouterr().out
