"""Which graphics cards each of several processes sees, so that runs that go on at a time share none that another could have alone."""

from __future__ import annotations

import os

from ..settings import CommonSettings, TrainingSettings

VARIABLE = "CUDA_VISIBLE_DEVICES"


def shares(settings: CommonSettings) -> list[str]:
    """Return the cards that runs of these settings may use, as many for each as it wants: values of CUDA's own variable.

    Args:
        settings: of any of the runs.

    Returns:
        One text per share; none where the runs use no card, or want more of them than there are.

    Example:
        >>> shares(CommonSettings(device="cpu"))
        []
    """
    if settings.device == "cpu":
        return []
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    named = os.environ.get(VARIABLE)
    cards = named.split(",")[:count] if named else [str(number) for number in range(count)]
    each = settings.devices if isinstance(settings, TrainingSettings) else 1
    return [",".join(cards[first : first + each]) for first in range(0, count - each + 1, each)]


def see(share: str | None) -> None:
    """Let this process, which has not used a card yet, see no other cards than those of a share; None leaves it what it sees."""
    if share is not None:
        os.environ[VARIABLE] = share
