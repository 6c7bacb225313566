"""Objectives of images and texts that are described together: raw outputs of both towers and labels in, a scalar out."""

from ...modalities import Modality, other_modality
from ._base import CROSSMODAL_LOSSES, SIMILARITIES, AlternatingLoss, CrossModalLoss, JointLoss
from .chn import CHN
from .cmhh import CMHH
from .contrastive import Contrastive
from .dcmh import DCMH
from .dnph import DNpH
from .dsph import DSPH
from .prdh import PRDH
from .scahn import SCAHN

__all__ = [
    "CHN",
    "CMHH",
    "CROSSMODAL_LOSSES",
    "DCMH",
    "DSPH",
    "PRDH",
    "SCAHN",
    "SIMILARITIES",
    "AlternatingLoss",
    "Contrastive",
    "CrossModalLoss",
    "DNpH",
    "JointLoss",
    "Modality",
    "other_modality",
]
