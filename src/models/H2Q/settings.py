"""The settings of H2Q."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...settings import setting
from ...settings.setting import AT_LEAST_1, POSITIVE
from ..rotation.settings import RotationSettings

_RATES = {"L2": 0.1, "L1": 0.1, "min_entry": 0.1, "bit_var": 0.01}  # as published, for each objective


@dataclass(frozen=True)
class Settings(RotationSettings):
    """How the reflections are learnt, beside the settings of the run that is rotated.

    Example:
        >>> Settings(rotation_loss="bit_var").name.partition("-loss")[0]
        '-r_ep=300-r_bs=128-r_lr=0.01-r_loss=bit_var'
    """

    method = "H2Q"

    rotation_epochs: int = setting(
        300, "r_ep", "passes over the features of train; the best by the objective on val counts", unit="epochs", check=AT_LEAST_1,
        named="always", before="loss",
    )  # fmt: skip
    rotation_batch_size: int = setting(128, "r_bs", "features of a step", unit="features", check=AT_LEAST_1, named="always", before="loss")
    rotation_learning_rate: float = setting(
        math.nan, "r_lr", "rate of gradient descent on the reflections; left out: 0.1, and 0.01 for bit_var", check=POSITIVE,
        named="always", before="loss",
    )  # fmt: skip
    rotation_loss: str = setting(
        "L2", "r_loss", "what is minimised: how far rotated features are from ±1", choices=tuple(_RATES), named="always", before="loss"
    )

    def complete(self) -> None:
        """Choose the rate that was published for the objective."""
        super().complete()
        if math.isnan(self.rotation_learning_rate):
            self.put("rotation_learning_rate", _RATES.get(self.rotation_loss, 0.1))
