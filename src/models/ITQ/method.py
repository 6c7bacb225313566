"""ITQ as a method."""

from __future__ import annotations

import torch
from torch import Tensor

from ...codes.rotations import Rotation, learn_itq
from .. import Method
from ..rotation.method import RotationMethod
from .settings import Settings


class ITQ(RotationMethod[Settings]):
    """Rotates towards the nearest codes, 50 times."""

    def learn(self, settings: Settings, train: Tensor, val: Tensor, generator: torch.Generator) -> Rotation:
        """Learn the rotation, see :func:`~biodeephashing.codes.rotations.learn_itq`; it takes train alone."""
        return learn_itq(train, generator, centre=settings.rotation_center, normalise=settings.rotation_norm)


METHOD: Method[Settings] = ITQ()
