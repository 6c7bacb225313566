"""H2Q as a method."""

from __future__ import annotations

import torch
from torch import Tensor

from ...codes.rotations import Descent, Rotation, learn_householder
from .. import Method
from ..rotation.method import RotationMethod
from .settings import Settings


class H2Q(RotationMethod[Settings]):
    """Rotates by a product of Householder reflections, learnt by gradient descent."""

    def learn(self, settings: Settings, train: Tensor, val: Tensor, generator: torch.Generator) -> Rotation:
        """Learn the reflections, see :func:`~biodeephashing.codes.rotations.learn_householder`."""
        descent = Descent(settings.rotation_learning_rate, settings.rotation_epochs, settings.rotation_batch_size)
        return learn_householder(train, val, settings.rotation_loss, descent, generator)


METHOD: Method[Settings] = H2Q()
