"""Hashing losses and additive penalties: raw outputs of the hash layer and labels in, a scalar out."""

from ._base import LOSSES, PENALTIES, HashingLoss, Penalty
from ._keywords import keywords_of
from ._objective import Objective
from ._probability import similar_probability
from .balanced_hswd import BalancedHSWD
from .bihalf import BiHalf
from .cel import CEL
from .csq import CSQ
from .dbdh import DBDH
from .dch import DCH
from .dfh import DFH
from .dhn import DHN
from .dpn import DPN
from .dpsh import DPSH
from .dsdh import DSDH
from .dsh import DSH
from .dshsd import DSHSD
from .dtsh import DTSH
from .greedyhash import GreedyHash
from .greedyhash_unsupervised import GreedyHashUnsupervised
from .hashnet import HashNet
from .hashnet_batch_weighted import HashNetBatchWeighted
from .hashnet_two_batch import HashNetTwoBatch
from .hswd import HSWD
from .hyp2 import HyP2
from .idhn import IDHN
from .isdh import ISDH
from .l2 import L2
from .lcdsh import LCDSH
from .orthohash import OrthoHash
from .qsmih import QSMIH
from .wglhh import WGLHH

__all__ = [
    "CEL",
    "CSQ",
    "DBDH",
    "DCH",
    "DFH",
    "DHN",
    "DPN",
    "DPSH",
    "DSDH",
    "DSH",
    "DSHSD",
    "DTSH",
    "HSWD",
    "IDHN",
    "ISDH",
    "L2",
    "LCDSH",
    "LOSSES",
    "PENALTIES",
    "QSMIH",
    "WGLHH",
    "BalancedHSWD",
    "BiHalf",
    "GreedyHash",
    "GreedyHashUnsupervised",
    "HashNet",
    "HashNetBatchWeighted",
    "HashNetTwoBatch",
    "HashingLoss",
    "HyP2",
    "Objective",
    "OrthoHash",
    "Penalty",
    "keywords_of",
    "similar_probability",
]
