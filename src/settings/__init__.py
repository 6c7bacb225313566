"""Tables of settings, and all that is derived from them: flags, YAML files, ``hparams.json`` and the names of runs.

A method's table is a frozen dataclass that derives from :class:`CommonSettings`, :class:`NetworkSettings` or :class:`TrainingSettings`;
each of its fields is made by :func:`setting`.
"""

from .common import FOLDS, CommonSettings
from .network import NetworkSettings
from .setting import PHASES, Setting, setting
from .training import TrainingSettings

__all__ = ["FOLDS", "PHASES", "CommonSettings", "NetworkSettings", "Setting", "TrainingSettings", "setting"]
