"""Decoded images beside the set: the same bytes, made once, whole or not at all, by one process at a time."""

from __future__ import annotations

import errno
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import PIL
import pytest
import torch
from PIL import Image

from biodeephashing.data import TRANSFORMS, ImageFold, load_fold, loader, transformation
from biodeephashing.data.images import _cache
from biodeephashing.data.images._cache import PixelMap, pixel_map
from biodeephashing.data.metadata import Metadata
from biodeephashing.errors import DataError
from biodeephashing.preprocessing import Preprocessing
from biodeephashing.runs import processed_folder


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The rows that were decoded from their files."""
    rows: list[int] = []
    decode = ImageFold.image

    def note(self: ImageFold, row: int) -> Image.Image:
        rows.append(row)
        return decode(self, row)

    monkeypatch.setattr(ImageFold, "image", note)
    return rows


def kept_files(database: str) -> list[str]:
    return sorted(path.name for path in (processed_folder(database) / "cache").glob("[!.]*.npy"))


def photographs(folder: Path, *sizes: tuple[int, int]) -> Metadata:
    """Images of noise, JPEG, with these sizes (width, height)."""
    generator, paths = np.random.default_rng(0), []
    folder.mkdir(exist_ok=True)
    for number, (width, height) in enumerate(sizes):
        paths.append(str(folder / f"{number}.jpg"))
        Image.fromarray(generator.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(paths[-1])
    return Metadata(folder / "val_metadata.txt", paths, np.ones((len(paths), 2), np.uint8))


@pytest.mark.parametrize("name", ["none", "imagenet"])
@pytest.mark.parametrize("workers", [0, 2])
def test_kept_pixels_are_the_decoded_ones(tiny_database: str, name: str, workers: int, decoded: list[int]) -> None:
    metadata = load_fold(tiny_database, "train")
    expected = [batch[0] for batch in loader(ImageFold(metadata, name), batch_size=5, shuffle=True)]
    fold = ImageFold(metadata, name, cache=True)
    decoded.clear()
    feed = loader(fold, batch_size=5, shuffle=True, num_workers=workers)
    assert all(torch.equal(one, other) for (one, *_), other in zip(feed, expected, strict=True))
    assert torch.equal(fold[7][0], ImageFold(metadata, name)[7][0])
    assert decoded == [7]  # the uncached one of the line above
    ImageFold(metadata, name, cache=True)
    assert decoded == [7]


@pytest.fixture(params=["threads", "processes"])
def who(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Who decodes: threads as for few images, or processes as for many."""
    if request.param == "processes":
        if sys.platform != "linux":
            pytest.skip("processes are forked on Linux only")
        monkeypatch.setattr(_cache, "_MANY", 1)
        monkeypatch.setattr(_cache, "_CHUNK", 4)
        monkeypatch.setattr(_cache, "_processors", lambda: 3)
    return request.param


SIZES = {
    "photographs": [(50, 300), (300, 250), (260, 240)],
    "one size": [(300, 250)] * 3,
    "small, of different size": [(30, 40), (40, 30), (30, 40)],
    "small but the last": [(32, 32), (32, 32), (224, 30)],
}


@pytest.mark.parametrize("case", SIZES)
def test_other_sizes_are_kept_as_they_come_to_the_network(case: str, tmp_path: Path, decoded: list[int]) -> None:
    metadata = photographs(tmp_path / "set", *SIZES[case])
    plain, fold = ImageFold(metadata, "imagenet"), ImageFold(metadata, "imagenet", cache=True)
    expected = torch.stack([plain.transformation.to_network_input(plain[row][0][None])[0] for row in range(3)])
    decoded.clear()
    assert torch.equal(fold.transformation.to_network_input(fold.batch(range(3))[0]), expected)
    ImageFold(metadata, "imagenet", cache=True)
    assert decoded == []
    assert [path.name.split("-")[1] for path in (tmp_path / "set" / "cache").glob("*.npy")] == ["resize_and_crop"]


@pytest.mark.usefixtures("who")
def test_own_sizes_that_differ_are_not_kept(tmp_path: Path) -> None:
    metadata = photographs(tmp_path / "set", *[(30, 40)] * 9, (40, 30))
    fold = ImageFold(metadata, "none", cache=True)
    assert fold[0][0].shape == (3, 40, 30)
    assert not list((tmp_path / "set" / "cache").glob("*.npy"))


def test_transformations_share_what_they_can(tiny_database: str, decoded: list[int]) -> None:
    metadata = load_fold(tiny_database, "train")
    for name, seed in (("none", None), ("imagenet", None), ("cifar-aug", 0), ("imagenet-aug", 0), ("imagenet-aug", None)):
        ImageFold(metadata, name, cache=True, augment=seed)
    assert len(kept_files(tiny_database)) == 1
    assert sorted(set(decoded)) == list(range(32))
    assert len(decoded) == 33  # the first one twice: its size is that of the file


def test_images_kept_for_another_transformation_are_not_taken_for_ones_of_the_right_size(tmp_path: Path) -> None:
    """At their own size they may be larger than what waits, or as large as the square that another crop gives."""
    bicubic = transformation("weights", Preprocessing((224, 224), "bicubic"))
    for side in (32, 224, 300):
        metadata = photographs(tmp_path / f"set {side}", *[(side, side)] * 3)
        ImageFold(metadata, "none", cache=True)
        for change in (TRANSFORMS["imagenet"], bicubic, transformation("weights", Preprocessing((224, 224), crop=1.0))):
            cached, plain = ImageFold(metadata, change, cache=True), ImageFold(metadata, change)
            one, other = (change.to_network_input(fold.batch([0, 2])[0]) for fold in (cached, plain))
            assert torch.equal(one, other), (side, change)
        files = len(list((tmp_path / f"set {side}" / "cache").glob("*.npy")))
        assert files == (2 if side == 32 else 4)  # small ones wait where the filter is bilinear


@pytest.mark.parametrize("change", ["image", "list", "pillow", "version"])
def test_anything_that_decides_makes_it_anew(tiny_database: str, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    metadata = load_fold(tiny_database, "val")
    ImageFold(metadata, "none", cache=True)
    ImageFold(load_fold(tiny_database, "query"), "none", cache=True)
    before = kept_files(tiny_database)
    if change == "image":
        Image.new("RGB", (32, 32), (1, 2, 3)).save(metadata.image(0))
    elif change == "list":
        metadata = Metadata(metadata.file, metadata.paths[::-1], metadata.labels[::-1].copy())
    elif change == "pillow":
        monkeypatch.setattr(PIL, "__version__", "0.1")
    else:
        monkeypatch.setattr(_cache, "VERSION", 0)
    fold = ImageFold(metadata, "none", cache=True)
    assert torch.equal(fold.batch(range(16))[0], ImageFold(metadata, "none").batch(range(16))[0])
    after = kept_files(tiny_database)
    assert len(after) == 2  # the old one is gone
    assert len(set(before) & set(after)) == 1  # the other fold's stays


@pytest.mark.parametrize("how", ["cut", "longer", "empty", "text", "other count", "other type"])
def test_a_damaged_cache_is_made_anew(tiny_database: str, how: str) -> None:
    metadata = load_fold(tiny_database, "val")
    ImageFold(metadata, "none", cache=True)
    (name,) = kept_files(tiny_database)
    file = processed_folder(tiny_database) / "cache" / name
    whole = file.read_bytes()
    file.unlink()
    if how.startswith("other"):
        np.save(file, np.zeros((15 if how == "other count" else 16, 3, 32, 32), np.int8 if how == "other type" else np.uint8))
    else:
        file.write_bytes({"cut": whole[:-1], "longer": whole + b"0", "empty": b"", "text": b"no array"}[how])
    fold = ImageFold(metadata, "none", cache=True)
    assert torch.equal(fold.batch(range(16))[0], ImageFold(metadata, "none").batch(range(16))[0])
    assert file.read_bytes() == whole


def test_a_worker_gets_the_name_and_not_the_pixels(tiny_database: str) -> None:
    fold = ImageFold(load_fold(tiny_database, "train"), "none", cache=True)
    expected = fold.batch([3])[0]
    text = pickle.dumps(fold)
    assert len(text) < 32 * 3 * 32 * 32 / 4
    assert torch.equal(pickle.loads(text).batch([3])[0], expected)


def test_the_map_is_not_written_through(tiny_database: str) -> None:
    fold = ImageFold(load_fold(tiny_database, "train"), "none", cache=True)
    fold.batch([0])[0].zero_()
    assert fold.batch([0])[0].any()


@pytest.mark.usefixtures("who")
def test_an_unreadable_image_is_named_and_nothing_is_left(tiny_database: str) -> None:
    metadata = load_fold(tiny_database, "query")
    metadata.image(5).write_bytes(metadata.image(5).read_bytes()[:300])
    with pytest.raises(DataError, match=r"line 6 of .*query_metadata\.txt\) cannot be read"):
        ImageFold(metadata, "none", cache=True)
    assert [path.name for path in (processed_folder(tiny_database) / "cache").iterdir()] in ([".lock"], [])


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_read_only_folder_means_no_cache_and_one_warning(
    tiny_database: str, number: int, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    def refuse(self: Path, *_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    metadata = load_fold(tiny_database, "val")
    fold = ImageFold(metadata, "none", cache=True)
    ImageFold(load_fold(tiny_database, "query"), "none", cache=True)
    assert torch.equal(fold[0][0], ImageFold(metadata, "none")[0][0])
    assert len(recwarn) == 1
    assert str(recwarn[0].message).startswith("decoded images are not cached")
    assert f"cannot be written ({os.strerror(number)})" in str(recwarn[0].message)


def test_a_read_only_folder_with_a_cache_is_enough(tiny_database: str, monkeypatch: pytest.MonkeyPatch, decoded: list[int]) -> None:
    metadata = load_fold(tiny_database, "val")
    ImageFold(metadata, "none", cache=True)
    decoded.clear()
    monkeypatch.setattr(_cache, "only_process", None)
    assert ImageFold(metadata, "none", cache=True)[0][0].shape == (3, 32, 32)
    assert decoded == []


@pytest.mark.parametrize("when", ["before", "while writing"])
def test_a_full_disk_is_said_and_nothing_is_left(tiny_database: str, when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if when == "before":
        usage = type("Usage", (), {"free": 100})
        monkeypatch.setattr(_cache.shutil, "disk_usage", lambda _: usage)
    else:

        def fail(*_: object) -> Iterator[np.ndarray]:
            yield np.zeros((5, 3, 32, 32), np.uint8)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(_cache, "_in_order", fail)
    with pytest.raises(DataError, match=r"the disk is full: decoded images of the fold val do not fit into .*cache; .*-cache off"):
        ImageFold(load_fold(tiny_database, "val"), "none", cache=True)
    assert kept_files(tiny_database) == []
    assert not list((processed_folder(tiny_database) / "cache").glob(".*.npy"))


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits")
def test_a_file_that_may_not_be_so_large_is_said_and_nothing_is_left(tiny_database: str) -> None:
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(DataError, match=r"images of the fold train are more than a file in .*cache may hold \(`ulimit -f`.*-cache off"):
            ImageFold(load_fold(tiny_database, "train"), "none", cache=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in (processed_folder(tiny_database) / "cache").iterdir()] in ([".lock"], [])
    assert ImageFold(load_fold(tiny_database, "train"), "none", cache=True).ready


def test_two_at_once_decode_once(tiny_database: str, decoded: list[int]) -> None:
    """The lock counts between threads of a process as between processes: each has an object of its own."""
    metadata = load_fold(tiny_database, "train")
    folds: list[ImageFold] = []
    threads = [threading.Thread(target=lambda: folds.append(ImageFold(metadata, "none", cache=True))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(decoded) == 33
    assert len({fold.batch(range(32))[0].numpy().tobytes() for fold in folds}) == 1


SLOW = """
import sys, time
from biodeephashing.data import ImageFold, load_fold
from biodeephashing.data.images import _cache
if sys.argv[2] == "processes":
    _cache._MANY, _cache._processors = 1, lambda: 3
decode = ImageFold.image
def slowly(self, row):
    if row == 20:
        print("on the way", flush=True)
        time.sleep(60)
    return decode(self, row)
ImageFold.image = slowly
ImageFold(load_fold(sys.argv[1], "train"), "none", cache=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_killed_process_leaves_nothing_that_looks_finished(tiny_database: str, who: str) -> None:
    """Nor does it leave processes behind, which would hold its lock: the next one would wait for a minute."""
    process = subprocess.Popen([sys.executable, "-c", SLOW, tiny_database, who], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"on the way\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.stdout.read() == b""  # nobody has it open any longer
    process.stdout.close()
    folder = processed_folder(tiny_database) / "cache"
    assert kept_files(tiny_database) == []
    assert len(list(folder.glob(".*.npy"))) == 1
    fold = ImageFold(load_fold(tiny_database, "train"), "none", cache=True)
    assert fold.batch(range(32))[0].shape == (32, 3, 32, 32)
    assert not list(folder.glob(".*.npy"))


@pytest.mark.usefixtures("who")
@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("count", [1, 31, 32, 33, 300])
def test_every_row_is_where_it_belongs(tmp_path: Path, count: int, workers: int) -> None:
    def decode(row: int) -> np.ndarray:
        return np.full((3, 1, 2), row % 251, np.uint8)

    images = pixel_map(tmp_path, "train", tmp_path, [f"{row}" for row in range(count)], {"own": decode}, workers=workers)
    assert isinstance(images, PixelMap)
    assert (images.pixels == (np.arange(count) % 251)[:, None, None, None]).all()
    assert images[np.array([count - 1, 0])].shape == (2, 3, 1, 2)


@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")
def test_many_images_are_decoded_by_processes(tmp_path: Path) -> None:
    def decode(row: int) -> np.ndarray:
        return np.full((3, 32, 32), os.getpid() == here, np.uint8)

    here, enough = os.getpid(), _cache._MANY // (3 * 32 * 32)
    for count, by_threads in ((enough - 1, True), (enough, False)):
        images = pixel_map(tmp_path, f"{count}", tmp_path, [f"{row}" for row in range(count)], {"own": decode}, workers=2)
        assert isinstance(images, PixelMap)
        assert (images.pixels == by_threads).all()


@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")
def test_a_process_that_is_ended_is_named(tmp_path: Path) -> None:
    """As the system does it when memory runs out."""

    def decode(row: int) -> np.ndarray:
        if row == 500:
            os.kill(os.getpid(), signal.SIGKILL)
        return np.zeros((3, 32, 32), np.uint8)

    with pytest.raises(DataError, match="images of the fold train was ended from outside, perhaps because memory ran out"):
        pixel_map(tmp_path, "train", tmp_path, ["image"] * (_cache._MANY // (3 * 32 * 32)), {"own": decode}, workers=2)
    assert not list(tmp_path.glob("*.npy"))
    assert not list(tmp_path.glob(".*.npy"))


def test_no_more_is_decoded_than_a_little_ahead() -> None:
    """Memory: of 100 chunks not more than those under way are there at once. Here each is done as soon as it is handed in."""

    class AtOnce(ThreadPoolExecutor):
        def submit(self, work, *arguments):  # type: ignore[no-untyped-def, override]
            future: Future = Future()
            future.set_result(work(*arguments))
            return future

    done: list[int] = []
    chunks = _cache._in_order((AtOnce(), lambda start: np.array([done.append(start), start][1:])), range(100), 4)
    assert [next(chunks).item() for _ in range(10)] == list(range(10))
    assert len(done) == 10 + 4
    assert [images.item() for images in chunks] == list(range(10, 100))
