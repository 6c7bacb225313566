"""Rotations of finished codes: H2Q's product of Householder reflections, ITQ, and folding either into the hash layer."""

from .householder import Descent, householder, householder_step, learn_householder
from .itq import itq, learn_itq, random_rotation
from .objectives import OBJECTIVES
from .rotation import Rotation
from .sphere import to_sphere, zero_rows

__all__ = [
    "OBJECTIVES",
    "Descent",
    "Rotation",
    "householder",
    "householder_step",
    "itq",
    "learn_householder",
    "learn_itq",
    "random_rotation",
    "to_sphere",
    "zero_rows",
]
