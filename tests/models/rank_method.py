"""A method in one file: it trains nothing, and its codes are a random projection of nothing at all."""

from dataclasses import dataclass

import numpy as np

from biodeephashing.runs.hparams_json import hparams_of, write_hparams
from biodeephashing.settings import CommonSettings, setting


@dataclass(frozen=True)
class Settings(CommonSettings):
    method = "LSH"
    rank: int = setting(8, "rank", "columns of the projection", check=(lambda rank: rank > 0, "above 0"), named="always")


class LSH:
    """What :class:`biodeephashing.models.Method` asks for."""

    def train(self, run, settings, reporting):
        write_hparams(run.hparams_file, hparams_of(settings))
        run.mark("finished")

    def encode(self, run, settings, folds, *, quiet):
        yield from (np.zeros((len(fold.paths), settings.rank)) for fold in folds)


METHOD = LSH()
