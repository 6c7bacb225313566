"""The settings of a rotation: those of the run that it rotates, with its own in front."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from ...settings.common import derived_name
from ..PenaltyStrategies.settings import Settings as ParentSettings

__all__ = ["ParentSettings", "RotationSettings"]

Table = TypeVar("Table", bound="RotationSettings")


@dataclass(frozen=True)
class RotationSettings(ParentSettings):
    """What a rotation has beside the settings of its parent, the run that it rotates: the base of each rotation's table.

    Its name is its own ``-key=value``, then the name of the parent; a parent that would make a name too long gives way to its digest.
    """

    @classmethod
    def rotating(cls: type[Table], parent: ParentSettings, **own: Any) -> Table:
        """Return the settings of the rotation of a run.

        Args:
            parent: settings of the run.
            own: the rotation's own settings, and what else is not the parent's.
        """
        values = {field.name: getattr(parent, field.name) for field, _ in ParentSettings.table()}
        return cls(**(values | {"no_skip": False, "soft_skip": False} | own))

    @property
    def classifies(self) -> bool:
        """False: the heads of the parent's loss belong to its former axes."""
        return False

    @property
    def parent(self) -> ParentSettings:
        """Settings of the parent."""
        return ParentSettings(**{field.name: getattr(self, field.name) for field, _ in ParentSettings.table()})

    @property
    def name(self) -> str:
        """Name of the run's directory."""
        inherited = {field.name for field, _ in ParentSettings.table()}
        return derived_name(self.name_of(tuple(row for row in self.table() if row[0].name not in inherited)), self.parent.name)

    def as_dict(self, phase: str) -> dict[str, Any]:
        """Return the settings of a phase under their long names, and the method and the whole name of the parent."""
        return super().as_dict(phase) | {"parent": f"{ParentSettings.method}/{self.parent.name}"}
