"""Encoding on a cluster whose process and node are killed: the same bytes as prediction, and as one process."""

import numpy as np
import pytest
from simulated_cluster import Command, kill, wait_until, worker_of

from biodeephashing.commands.predict import predict
from biodeephashing.commands.train import train
from biodeephashing.models.PenaltyStrategies import Settings

pytestmark = [pytest.mark.slow, pytest.mark.cluster, pytest.mark.xdist_group("cluster")]


def content_of(folder):
    """Return the files of a directory but for hidden ones, which a killed process leaves, and the next call removes."""
    return {file.name: file.read_bytes() for file in folder.glob("[!.]*")}


def test_shards_are_the_same_bytes_with_a_process_and_a_node_killed(cluster, tiny_database, project_home):
    settings = Settings(
        database=tiny_database, loss="DCH", number_of_bits=8, transformations="none", architecture="bio-lenet", epochs=1,
        num_workers=0, device="cpu", tracking="off", predict_batch_size=2,
    )  # fmt: skip
    run = train(settings, quiet=True)
    predict(settings, quiet=True)
    words = ["src/models/encode.py", "-p", str(run.directory), "-images", f"{tiny_database}:database", "-rows", "2", "-pbs", "2"]
    words += ["-nw", "0", "-device", "cpu"]
    one, other = project_home / "one", project_home / "other"
    assert Command([*words, "-o", str(one), "-jobs", "1"], project_home).end()[0] == 0

    command = Command([*words, "-o", str(other), "-on", "ray", "-address", cluster.address], project_home)
    wait_until(lambda: list(other.glob("part-?????.json")))
    kill(wait_until(lambda: worker_of(cluster.nodes[0])))
    cluster.kill_node_of(wait_until(lambda: worker_of(cluster.nodes[1])))
    status, _, complained = command.end()
    assert status == 0, complained
    assert content_of(other) == content_of(one)
    codes = np.concatenate([np.load(file) for file in sorted(other.glob("part-?????.npy"))])
    assert np.array_equal(codes, np.load(run.codes_file("database")))
