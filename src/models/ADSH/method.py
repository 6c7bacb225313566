"""ADSH as a method: a network for images it has not seen, and codes of the train fold that are learned beside it."""

from __future__ import annotations

import warnings
from functools import partial

import numpy as np

from ... import codes
from ...interrupts import defer_interrupts
from ...runs import Run, replacing
from ...training.checkpoints import read_checkpoint
from ...training.reporting import Reporting
from .. import Method
from ..network_method import NetworkMethod
from .settings import Settings


class ADSH(NetworkMethod):
    """Trains a network on samples of the train fold, whose codes it solves for; every fold is encoded by the network."""

    def train(self, run: Run, settings: Settings, reporting: Reporting) -> None:
        """Train a run to its end, see :func:`~biodeephashing.training.fit.fit`, and keep the codes that it learned."""
        with defer_interrupts():
            from ...training.fit import fit  # imports Lightning, which encoding does not need
            from .loss import build_loss

        fit(run, settings, build_loss, reporting, finish=partial(_keep_learned_codes, run, settings, quiet=reporting.quiet))


def _keep_learned_codes(run: Run, settings: Settings, *, quiet: bool) -> None:
    """Write V as it was at the end of a run's best epoch, whose network gives the codes of all other images."""
    best = read_checkpoint(run.best_checkpoint)
    if best["epoch"] + 1 < min(settings.round_epochs, settings.epochs):
        warnings.warn(
            f"{run} has no {run.learned_codes_file.name}: its best epoch, {best['epoch'] + 1}, lies before the end of the first round, "
            f"and until then the codes of the train images are random",
            stacklevel=2,
        )
        return
    learned = best["loss"]["codes"].numpy()
    with replacing(run.learned_codes_file) as temporary, temporary.open("wb") as file:
        np.save(file, codes.pack(learned))
    if not quiet:
        print(f"learned codes: {run.learned_codes_file.name}, {len(learned):,} of train, solved for with the labels of all of them")


METHOD: Method[Settings] = ADSH()
