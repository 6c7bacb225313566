"""A cluster that a command starts by itself: who can reach it, and what is left of it."""

import os
from pathlib import Path

import pytest
from simulated_cluster import Command, descendants, listening, name_of, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.cluster, pytest.mark.xdist_group("cluster")]

SETTINGS = {
    "architecture": "bio-lenet", "transformations": "none", "loss": "DCH", "number_of_bits": 8, "batch_size": 8, "epochs": 3,
    "num_workers": 0, "device": "cpu", "tracking": "off", "mode": "bp", "on": "ray", "unit_cpus": 1,
}  # fmt: skip
FLAGS = [word for name, value in SETTINGS.items() for word in (f"--{name}", str(value))]


def test_it_listens_on_loopback_asks_for_a_token_reports_nothing_and_ends_with_the_command(tiny_database, project_home):
    token = project_home / ".ray" / "auth_token"
    token.parent.mkdir()
    token.write_text("0" * 64)
    token.chmod(0o644)  # as Ray itself writes it
    environment = {"HOME": str(project_home)}
    command = Command(["src/models/PenaltyStrategies/study.py", "-db", tiny_database, *FLAGS], project_home, **environment)
    wait_until(lambda: any((project_home / "models").rglob("status=*")) or command.process.poll() is not None)
    started = descendants(command.process.pid)
    addresses = {address for process in started for address in listening(process)}
    servers = [Path(f"/proc/{process}") for process in started if name_of(process) in ("gcs_server", "raylet")]
    variables = [server.joinpath("environ").read_bytes() for server in servers]
    status, told, complained = command.end()
    assert status == 0, complained
    assert "query mAP" in told
    assert addresses == {"127.0.0.1"}
    assert token.stat().st_mode & 0o777 == 0o600
    assert len(variables) == 2
    for variable in (b"RAY_AUTH_MODE=token", b"RAY_USAGE_STATS_ENABLED=0"):
        assert all(variable in each for each in variables)
    wait_until(lambda: not any(os.path.exists(f"/proc/{process}") for process in started))  # noqa: PTH110
