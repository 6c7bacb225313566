"""The settings of ADSH, which trains in rounds of some epochs on some of the train fold."""

from __future__ import annotations

from dataclasses import dataclass

from ...settings import TrainingSettings, setting
from ...settings.setting import AT_LEAST_0, AT_LEAST_1, POSITIVE


@dataclass(frozen=True)
class Settings(TrainingSettings):
    """What a run of ADSH has beside the settings of every training; epochs and rate are by default those of its authors.

    Example:
        >>> Settings(number_of_bits=32, architecture="lenet", samples=500).name.partition("-optim")[2]
        '=adam-samples=500'
    """

    method = "ADSH"

    epochs: int = setting(
        450, "ep", "most epochs to train; every -round_ep of them make a round", unit="epochs", check=AT_LEAST_1, named="always",
        before="datafolds",
    )  # fmt: skip
    learning_rate: float = setting(
        1e-4, "lr", "rate of the backbone; the hash layer learns at -hash_rate times it", check=POSITIVE, named="always", before="datafolds"
    )
    samples: int = setting(
        2000, "samples", "train images that a round draws and learns from; all of a smaller train fold", unit="images",
        check=(lambda value: value >= 2, "at least 2"),
    )  # fmt: skip
    round_epochs: int = setting(
        3, "round_ep", "epochs of a round, after which the codes of all train images are solved for", unit="epochs", check=AT_LEAST_1
    )
    gamma: float = setting(
        200.0, "gamma", "weight of the squared distance between an output and the code of the same image", check=AT_LEAST_0
    )
