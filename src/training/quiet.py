"""Silence for Lightning's own logs and warnings; the callbacks print what matters."""

import logging
import multiprocessing
import warnings

from ..surroundings import settle


def silence_third_party() -> None:
    """Raise the level of Lightning's loggers and drop its warnings, in this process."""
    if multiprocessing.parent_process() is not None:
        settle()  # a process that Lightning spawned has not run the entrance's guard
    for name in ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero", "lightning.fabric.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning.*")
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
