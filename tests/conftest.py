"""Fixtures that several areas share."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings
from PIL import Image

from biodeephashing.data.prepare.content import DatasetContent
from biodeephashing.data.prepare.splits import Protocol, one_hot
from biodeephashing.data.prepare.write import prepare
from biodeephashing.runs import HOME_VARIABLE

# a busy machine makes no example wrong
settings.register_profile("no clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("no clock")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what is marked ``gpu`` on a machine without one, and ``cluster`` without Ray; from here, so that the summary folds each."""
    if "gpu" in item.keywords and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    if "cluster" in item.keywords and find_spec("ray") is None:
        pytest.skip("needs Ray: the extra cluster")


@pytest.fixture(autouse=True)
def whole_single_precision(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let a GPU multiply by all bits of float32, as a CPU does: its convolutions would round to ten (TF32)."""
    if "gpu" not in request.keywords:
        yield
        return
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield


@pytest.fixture
def project_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project root that everything is read from and written to."""
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    return tmp_path


@pytest.fixture
def prepare_tiny(project_home: Path) -> Callable[[str, dict[str, int]], str]:
    """Prepare a data set like :func:`tiny_database` with other numbers of images per class and fold, and return its name."""
    return _prepare_tiny


def _prepare_tiny(name: str, per_class: dict[str, int]) -> str:
    classes = np.arange(4 * sum(per_class.values())) % 4
    colours = np.array([[60, 60, 180], [60, 180, 60], [180, 60, 60], [150, 150, 150]])
    noise = np.random.default_rng(0).integers(-60, 61, size=(len(classes), 32, 32, 3))
    images = (colours[classes][:, None, None] + noise).astype(np.uint8)
    ends = 4 * np.cumsum(list(per_class.values()))
    content = DatasetContent(
        files=[f"{row:03d}.png" for row in range(len(classes))],
        labels=one_hot(classes, 4),
        classes=["blue", "green", "red", "grey"],
        folds=dict(zip(per_class, np.split(np.arange(len(classes)), ends[:-1]), strict=True)),
        write_image=lambda row, path: Image.fromarray(images[row]).save(path),
        protocol=Protocol("disjoint", "in turn"),
        source="drawn at random",
    )
    prepare(name, lambda: content)
    return name


@pytest.fixture(scope="session")
def tiny_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project root with the data set of ``tiny_database``, which is written once and copied for each test."""
    home = tmp_path_factory.mktemp("tiny")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HOME_VARIABLE, str(home))
        _prepare_tiny("TINY", {"train": 8, "val": 4, "query": 4, "database": 8})
    return home


@pytest.fixture
def tiny_database(project_home: Path, tiny_home: Path) -> str:
    """Name of a prepared data set: 4 classes of 32 × 32 noise around a colour of their own, so there is something to learn.

    Per class 8 train, 4 val, 4 query and 8 database images, all disjoint.
    """
    shutil.copytree(tiny_home / "data", project_home / "data", dirs_exist_ok=True)
    return "TINY"
