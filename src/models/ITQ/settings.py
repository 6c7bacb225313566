"""The settings of ITQ."""

from __future__ import annotations

from dataclasses import dataclass

from ...settings import setting
from ..rotation.settings import RotationSettings


@dataclass(frozen=True)
class Settings(RotationSettings):
    """What happens to features before the rotation, beside the settings of the run that is rotated.

    Example:
        >>> Settings(rotation_center=True, rotation_norm=True).name.partition("-loss")[0]
        '-r_center-r_norm'
    """

    method = "ITQ"

    rotation_center: bool = setting(False, "r_center", "take the mean of the features of train off all features", before="loss")
    rotation_norm: bool = setting(False, "r_norm", "learn from features of one length, so that long ones count no more", before="loss")
