"""A small CIFAR-10 with checksums of its own, a web server for it, and a folder of own images."""

from __future__ import annotations

import hashlib
import pickle
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from flaky_site import FlakyServer, Handler, Site
from raw_trees import photo

from biodeephashing.data.sets import CIFAR_10

CLASS_NAMES = [b"airplane", b"automobile", b"bird", b"cat", b"deer", b"dog", b"frog", b"horse", b"ship", b"truck"]
PER_BATCH = 40


def batch(number: int) -> dict[bytes, object]:
    """A batch of 40 random images, 4 of each class."""
    generator = np.random.default_rng(number)
    return {
        b"batch_label": b"one of three",
        b"labels": generator.permutation(np.arange(PER_BATCH) % 10).tolist(),
        b"data": generator.integers(0, 256, (PER_BATCH, 3072), dtype=np.uint8),
        b"filenames": [b"thing_s_%06d.png" % (PER_BATCH * number + row) for row in range(PER_BATCH)],
    }


@dataclass
class SmallCifar:
    """Folder, archive and checksums of a CIFAR-10 with two training batches and a test batch of 40 images each."""

    folder: Path
    archive: Path
    official: CIFAR_10.Official


@pytest.fixture
def small_cifar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallCifar:
    folder = tmp_path / "elsewhere" / CIFAR_10.FOLDER
    folder.mkdir(parents=True)
    contents = {"data_batch_1": batch(0), "data_batch_2": batch(1), "test_batch": batch(2), "batches.meta": {b"label_names": CLASS_NAMES}}
    sums = {}
    for name, content in contents.items():
        data = pickle.dumps(content, protocol=4)
        (folder / name).write_bytes(data)
        sums[name] = hashlib.md5(data).hexdigest()
    (folder / "readme.html").write_text("nothing of use")
    archive = tmp_path / "elsewhere" / "cifar-10-python.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, arcname=CIFAR_10.FOLDER)
    md5 = hashlib.md5(archive.read_bytes()).hexdigest()
    meta = sums.pop("batches.meta")
    url = "http://127.0.0.1:9/cifar-10-python.tar.gz"
    return SmallCifar(folder, archive, CIFAR_10.Official(url=url, md5=md5, batches=sums, meta=meta, per_batch=PER_BATCH))


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = FlakyServer(("127.0.0.1", 0), Handler)
    server.over = threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield Site(server, f"http://127.0.0.1:{server.server_address[1]}/cifar-10-python.tar.gz")
    server.over.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def pets(tmp_path: Path, project_home: Path) -> Path:
    """A folder of 10 cats, 20 dogs and 5 eels, every file name in every class."""
    folder = tmp_path / "outside" / "pets"
    for number, (name, count) in enumerate({"cat": 10, "dog": 20, "eel": 5}.items()):
        for row in range(count):
            photo(folder / name / f"{row}.jpg", 40 * number + row)
    return folder
