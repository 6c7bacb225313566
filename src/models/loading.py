"""From a finished run to its network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..backbones import HashNetwork, build_feature_network, build_network, fusion_of
from ..errors import RunError
from ..runs import Run, run_of
from ..settings import NetworkSettings
from ..training.checkpoints import read_checkpoint


def network_settings_of(run: Run) -> NetworkSettings:
    """Return the settings of a run.

    Raises:
        RunError: if its method has no network.
    """
    settings = run.settings()
    if not isinstance(settings, NetworkSettings):
        raise RunError(f"{run} is of the method {run.method}, which has no network")
    return settings


def device_named(device: str | torch.device) -> str | torch.device:
    """Return a device as it is named, and for "auto" a GPU where there is one."""
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


def finished_run(run: Run | str | Path) -> Run:
    """Return a run, or the one that a handle names, whose training is finished.

    Raises:
        RunError: if there is no such run, or it is not finished.
    """
    run = run if isinstance(run, Run) else run_of(run)
    check_finished(run)
    return run


def check_finished(run: Run) -> None:
    """Refuse a run whose training is not finished.

    Raises:
        RunError: if it is not finished; the message gives its status.
    """
    if run.status != "finished":
        state = f"its status is {run.status!r}" if run.status else "it was never trained"
        raise RunError(f"{run} has no finished training ({state}): train it first, with the same settings")


def load_network(settings: NetworkSettings, checkpoint: Path) -> HashNetwork:
    """Return the plain network of a checkpoint: codes do not depend on the rule it was trained with.

    Args:
        settings: name the backbone and the number of bits.
        checkpoint: holds the weights.

    Raises:
        RunError: if the checkpoint is missing, damaged or of another network.
    """
    content = read_checkpoint(checkpoint)
    if settings.takes_features:
        network = feature_network(settings, content)
    else:
        fusion = fusion_of(content.get("network", {}))
        network = build_network(settings.backbone, bits=settings.number_of_bits, fusion=fusion)
    load_weights(network, content, checkpoint)
    return network


def feature_network(settings: NetworkSettings, content: Mapping[str, Any]) -> HashNetwork:
    """Return a network for ready features, as wide as that of which a checkpoint holds the weights.

    Args:
        settings: name the backbone and the number of bits.
        content: what the checkpoint holds of it.
    """
    state = content.get("network", {})
    mean = torch.zeros_like(state.get("backbone.mean", torch.zeros(1)))
    deviation, fusion = torch.ones_like(mean), fusion_of(state)
    return build_feature_network(settings.backbone, mean=mean, deviation=deviation, bits=settings.number_of_bits, fusion=fusion)


def load_weights(network: HashNetwork, content: Mapping[str, Any], checkpoint: Path) -> None:
    """Give a network the weights that a checkpoint holds.

    Args:
        network: the network.
        content: what the checkpoint holds of it.
        checkpoint: its file, for messages.

    Raises:
        RunError: if these are the weights of another network, or none.
    """
    try:
        network.load_state_dict(content["network"])
    except (KeyError, RuntimeError) as error:
        raise RunError(f"{checkpoint} does not hold the weights of this network: {str(error).splitlines()[0]}") from error
