"""Hashing losses and additive penalties: raw outputs of the hash layer and labels in, a scalar out."""

from ._base import LOSSES, PENALTIES, HashingLoss, Penalty
from ._keywords import keywords_of
from ._probability import similar_probability
from .dch import DCH
from .dpsh import DPSH
from .dsh import DSH
from .hashnet import HashNet
from .hswd import HSWD
from .l2 import L2

__all__ = [
    "DCH",
    "DPSH",
    "DSH",
    "HSWD",
    "L2",
    "LOSSES",
    "PENALTIES",
    "HashNet",
    "HashingLoss",
    "Penalty",
    "keywords_of",
    "similar_probability",
]
