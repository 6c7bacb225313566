"""Hashing by a pair loss and its penalties, as a method."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ...data import load_fold
from ...interrupts import defer_interrupts
from ...losses import LOSSES, HashingLoss
from ...runs import Run
from ...training.checkpoints import read_checkpoint
from ...training.reporting import Reporting
from .. import Classifier, Method
from ..network_method import NetworkMethod
from .loss import build_loss
from .settings import Settings


class PenaltyStrategies(NetworkMethod):
    """Trains a network by a loss with penalties; its codes are the signs of the network's outputs."""

    def train(self, run: Run, settings: Settings, reporting: Reporting) -> None:
        """Train a run to its end, see :func:`~biodeephashing.training.fit.fit`."""
        with defer_interrupts():
            from ...training.fit import fit  # imports Lightning, which encoding does not need

        fit(run, settings, build_loss, reporting)

    def classifier(self, run: Run, settings: Settings) -> Classifier | None:
        """Return the head or the centres of the run's loss; None for a loss without."""
        if LOSSES[settings.loss].class_probabilities is HashingLoss.class_probabilities:
            return None
        loss = build_loss(settings, load_fold(settings.database, "train")).eval()
        loss.load_state_dict(read_checkpoint(run.best_checkpoint)["loss"])

        def probabilities(features: NDArray[np.float32]) -> NDArray[np.float32]:
            with torch.inference_mode():
                values = loss.class_probabilities(torch.from_numpy(features))
            assert values is not None
            return values.numpy()

        return Classifier(f"the {'centres' if hasattr(loss, 'centres') else 'head'} of {settings.loss}", probabilities)


METHOD: Method[Settings] = PenaltyStrategies()
