"""The examples lie in no package; here they can be imported. Small batches of CIFAR-10, and the command line on them."""

import hashlib
import sys
from pathlib import Path

import pytest
from cifar10_cases import PER_BATCH, write_batch

from biodeephashing.data.sets.CIFAR_10 import Official

sys.path.append(str(Path(__file__).parents[2] / "examples"))


@pytest.fixture
def batches(tmp_path):
    """A folder of two training batches and a test batch, and what their publisher says about them."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for seed, name in enumerate(("data_batch_1", "data_batch_2", "test_batch")):
        write_batch(folder, name, seed)
    sums = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}
    return folder, Official(batches=sums, per_batch=PER_BATCH)


@pytest.fixture
def classify(batches, tmp_path):
    """Run the command line on the small batches, on a CPU."""
    from classify_cifar10 import main

    folder, official = batches

    def run(*arguments, out="out"):
        given = ["-data", str(folder), "-device", "cpu", "-out", str(tmp_path / out), "-batch", "16", *arguments]
        main(given, official=official)

    return run
