"""Objectives of images and texts that are described together: raw outputs of both towers and labels in, a scalar out."""

from ._base import CROSSMODAL_LOSSES, AlternatingLoss, CrossModalLoss, JointLoss, Modality
from .dcmh import DCMH
from .dnph import DNpH
from .dsph import DSPH

__all__ = ["CROSSMODAL_LOSSES", "DCMH", "DSPH", "AlternatingLoss", "CrossModalLoss", "DNpH", "JointLoss", "Modality"]
