"""The fixture of a cluster, which a module shares."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from simulated_cluster import SimulatedCluster, descendants, is_of_ray, wait_until


@pytest.fixture(scope="session")
def token(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the token of every cluster that this process starts: Ray reads it once, and refuses the next cluster with another one."""
    file = tmp_path_factory.mktemp("token") / "token"
    file.write_text(secrets.token_hex(32))
    return file


@pytest.fixture(scope="module")
def cluster(token: Path) -> Iterator[SimulatedCluster]:
    """Start the cluster; all its processes are gone afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token), "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "OMP_NUM_THREADS": "1",
        }.items():  # fmt: skip
            patch.setenv(name, value)
        simulated = SimulatedCluster(token)
        yield simulated
        processes = descendants(os.getpid())
        simulated.cluster.shutdown()
        wait_until(lambda: not any(is_of_ray(process) for process in processes))
