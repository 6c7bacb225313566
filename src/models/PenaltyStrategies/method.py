"""Hashing by a pair loss and its penalties, as a method: how a run is trained; it encodes images as any network does."""

from __future__ import annotations

from ...interrupts import held_back
from ...runs import Run
from ...training.manner import Manner
from .. import Method
from ..network_method import NetworkMethod
from .settings import Settings


class PenaltyStrategies(NetworkMethod):
    """Trains a network by a loss with penalties; its codes are the signs of the network's outputs."""

    def train(self, run: Run, settings: Settings, manner: Manner) -> None:
        """Train a run to its end, see :func:`~biodeephashing.training.fit.fit`."""
        with held_back():
            from ...training.fit import fit  # Lightning and all around it, which encoding does without
            from .loss import build_loss

        fit(run, settings, build_loss, manner)


METHOD: Method[Settings] = PenaltyStrategies()
