"""The device of a run, and the memory layout of its weights."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

from ..errors import UsageError
from ..settings import CommonSettings

Network = TypeVar("Network", bound=nn.Module)


def accelerator(settings: CommonSettings, devices: int = 1) -> str:
    """Return Lightning's name of the accelerator.

    Args:
        settings: the run's settings.
        devices: number of devices to train on.

    Raises:
        UsageError: if a CUDA device is requested and there is none, or more devices than there are.
    """
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise UsageError("-device cuda: PyTorch sees no CUDA device on this machine; use -device cpu or auto")
    on_gpu = settings.device != "cpu" and torch.cuda.is_available()
    if on_gpu and devices > torch.cuda.device_count():
        raise UsageError(f"-devices {devices}: this machine has {torch.cuda.device_count()} CUDA devices")
    return "gpu" if on_gpu else "cpu"


def device_of(settings: CommonSettings) -> torch.device:
    """Return the first device that a run computes on.

    Raises:
        UsageError: if a CUDA device is requested and there is none.
    """
    return torch.device("cuda" if accelerator(settings) == "gpu" else "cpu")


def lay_out(network: Network, device: torch.device) -> Network:
    """Use channels-last memory format on a CPU, where it makes pooling several times faster; values stay the same."""
    return network.to(memory_format=torch.channels_last) if device.type == "cpu" else network
