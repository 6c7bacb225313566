"""Assignment of GPUs to concurrent processes, so that no two share one while another is free."""

from __future__ import annotations

import os

from ..settings import CommonSettings, TrainingSettings

VARIABLE = "CUDA_VISIBLE_DEVICES"


def assign(settings: CommonSettings) -> list[str]:
    """Return one value of ``CUDA_VISIBLE_DEVICES`` per process that can train with GPUs of its own at a time.

    Args:
        settings: the settings of any of the runs.

    Returns:
        A list of comma-separated GPU numbers; empty if the runs use no GPU, or more of them than there are.

    Example:
        >>> assign(CommonSettings(device="cpu"))
        []
    """
    if settings.device == "cpu":
        return []
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    visible = os.environ.get(VARIABLE)
    gpus = visible.split(",")[:count] if visible else [str(number) for number in range(count)]
    each = settings.devices if isinstance(settings, TrainingSettings) else 1
    return [",".join(gpus[first : first + each]) for first in range(0, count - each + 1, each)]


def see(assigned: str | None) -> None:
    """Restrict this process, which has not used a GPU yet, to the assigned ones; None changes nothing."""
    if assigned is not None:
        os.environ[VARIABLE] = assigned
