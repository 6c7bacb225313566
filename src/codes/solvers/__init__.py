"""Discrete steps of losses that solve for codes while the network rests: DSDH, DFH and ADSH."""

from .adsh import adsh_correlation, adsh_loss, adsh_objective, adsh_ratio, adsh_similarity, adsh_update
from .dfh import check_dfh_centres, dfh_descent, dfh_loss, dfh_targets
from .dsdh import DSDHWeights, dsdh_objective, dsdh_update

__all__ = [
    "DSDHWeights",
    "adsh_correlation",
    "adsh_loss",
    "adsh_objective",
    "adsh_ratio",
    "adsh_similarity",
    "adsh_update",
    "check_dfh_centres",
    "dfh_descent",
    "dfh_loss",
    "dfh_targets",
    "dsdh_objective",
    "dsdh_update",
]
