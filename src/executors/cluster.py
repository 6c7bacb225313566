"""A cluster as an executor: how it is reached, who may reach it, and whether its nodes fit together and to the work."""

from __future__ import annotations

import os
import secrets
import socket
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from ..errors import RunError, UsageError
from ..runs import HOME_VARIABLE, experiments_folder, home
from ..settings import CommonSettings, TrainingSettings
from ..settings.units import LOCAL, Placement
from ..surroundings import redirected_libraries
from ..tracking import URI_VARIABLE
from ._interface import Executor
from ._probe import Facts, check_agreement, look, shared_word

MODE, TOKEN, TOKEN_FILE = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"
LOOPBACK_ONLY = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}  # without it servers listen on every interface, whatever address they are given
CONNECT_SECONDS = 30


@contextmanager
def open_cluster(placement: Placement, settings: CommonSettings | None = None) -> Iterator[Executor]:
    """Join a Ray cluster, or start one here, and check its nodes before any unit begins.

    Args:
        placement: where it is, and what a unit takes.
        settings: those of any of the runs whose units are handed out; None for units that need one core.

    Raises:
        UsageError: if Ray is not installed, or no node has what a unit takes.
        RunError: if the cluster cannot be reached, or its nodes do not fit together.
    """
    if find_spec("ray") is None:
        raise UsageError('-on ray needs Ray: pip install "biodeephashing[cluster]"')
    variables = {} if placement.address == LOCAL else _variables()
    secure(placement.address)
    log = experiments_folder() / "ray.log"
    with redirected_libraries(log):
        ray = import_module("._ray", __package__)  # an optional extra, which takes seconds
        ray.connect(placement.address, variables, log)
        try:
            nodes = ray.nodes()
            cpus, gpus = _needs(placement, settings, gpus=any(node.gpus for node in nodes))
            if not any(node.fits(cpus, gpus) for node in nodes):
                there = "; ".join(map(str, nodes))
                needed = f"{cpus} cores (-unit_cpus)" + (f" and {gpus} GPUs (-devices)" if gpus else "")
                raise UsageError(f"a unit takes {needed}, and no node has them: {there}")
            with shared_word() as (file, word):
                facts = ray.on_every_node(partial(look, file), nodes)
                here = look(file)
            check_agreement(here, facts, word)
            if settings is not None and settings.tracking == "on":
                check_tracking([here, *facts])
            places = [f"node {node}, {fact.free / 2**30:,.0f} GiB free" for node, fact in zip(nodes, facts, strict=True)]
            yield ray.RayCluster(places, jobs=placement.jobs, cpus=cpus, gpus=gpus, retries=placement.retries)
        finally:
            ray.disconnect()


def secure(address: str) -> None:
    """Set the variables that decide who can reach a cluster, before Ray is imported; warn where everybody can.

    A cluster that is started here listens on loopback only and asks for the user's token, which nobody else can read.

    Args:
        address: HOST:PORT, or local.

    Raises:
        RunError: if nothing answers at the address.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_DEDUP_LOGS_SKIP_REGEX"] = "."  # nothing that its threads would print among the results, such as a node's last state
    host, _, port = address.rpartition(":")
    if address == LOCAL or host.startswith("127.") or host == "localhost":
        os.environ.update(LOOPBACK_ONLY)
    if address == LOCAL and TOKEN not in os.environ:
        _close_token(_token_file())
    if TOKEN in os.environ or _token_file().is_file():
        os.environ.setdefault(MODE, "token")
    if os.environ.get(MODE) != "token":
        warnings.warn(
            f"the cluster at {address} asks for no token: whoever reaches it can run code on its nodes; see docs/scale.md", stacklevel=2
        )
    if address != LOCAL:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()
        except OSError as error:
            raise RunError(f"no cluster answers at {address} ({error}): start it with `ray start --head`, or correct -address") from error


def check_tracking(facts: Sequence[Facts]) -> None:
    """Refuse a store in a file where several hosts would write to it: SQLite and its lock do not reach across machines.

    Raises:
        UsageError: naming the hosts and what to do.
    """
    hosts = sorted({fact.host for fact in facts})
    if len(hosts) > 1 and urlsplit(os.environ.get(URI_VARIABLE, "")).scheme in ("", "file", "sqlite"):
        raise UsageError(
            f"{', '.join(hosts)} cannot write to one MLflow store in a file: start `mlflow server`, and name it in {URI_VARIABLE}, "
            f"or use -tracking off"
        )


def _needs(placement: Placement, settings: CommonSettings | None, *, gpus: bool) -> tuple[int, int]:
    """Return how many cores and GPUs a unit takes; where the cluster has no GPU, only those that insist on one."""
    cpus = placement.unit_cpus or (1 if settings is None else settings.num_workers + 1)
    if settings is None or settings.device == "cpu" or (settings.device == "auto" and not gpus):
        return cpus, 0
    return cpus, settings.devices if isinstance(settings, TrainingSettings) else 1


def _variables() -> dict[str, str]:
    """Return the variables of the environment that units need; everybody who reaches the cluster can read them."""
    variables = {HOME_VARIABLE: str(home())}
    for name in (URI_VARIABLE, "OMP_NUM_THREADS"):
        if name in os.environ:
            variables[name] = os.environ[name]
    if urlsplit(variables.get(URI_VARIABLE, "")).password:
        raise UsageError(
            f"{URI_VARIABLE} holds a password, which everybody who reaches the cluster could read: name the server without it, and set "
            f"MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD in the environment of the nodes"
        )
    return variables


def _token_file() -> Path:
    return Path(os.environ.get(TOKEN_FILE) or os.path.expanduser("~/.ray/auth_token"))  # noqa: PTH111 - a user may have no home


def _close_token(file: Path) -> None:
    """Make a token that only this user can read, or close an existing one to others."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.exists():
        file.chmod(0o600)
        return
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(secrets.token_hex(32))
