"""The settings of LLC, whose two phases are runs of their own."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from ...errors import RunError, UsageError
from ...runs import run_of
from ...settings import TrainingSettings, setting
from ...settings.common import derived_name
from ...settings.setting import AT_LEAST_0, POSITIVE, TRAIN_ONLY

BOTH, CODEBOOK, CODES = "both", "codebook", "codes"
_OF_PARENT = {"codebook_epochs": "epochs", "codebook_learning_rate": "learning_rate"}  # by the names that the parent has for them
_OWN = ("phase", "epochs", "learning_rate")  # of the codes phase; all else is its parent's


@dataclass(frozen=True)
class Settings(TrainingSettings):
    """What a run of LLC has beside the settings of every training.

    A run of the codes phase has all settings of its parent, the run of the codebook phase, and epochs and rate of its own; its name
    is these, then the name of the parent.

    Example:
        >>> settings = Settings(number_of_bits=16, architecture="lenet", epochs=10, codebook_epochs=20)
        >>> settings.name.partition("-nbits")[0]
        '-phase=codes-ep=10-lr=1e-05-phase=codebook'
        >>> settings.parent.epochs
        20
    """

    method = "LLC"

    phase: str = setting(
        BOTH, "phase", "what is trained: the codebook, the codes of images by a finished codebook, or both one after the other",
        choices=(BOTH, CODEBOOK, CODES), named="always", before="number_of_bits",
    )  # fmt: skip
    codebook_run: str = setting(
        "", "codebook", "run of the codebook phase that the codes phase goes on from, a path or DB/EXP[/NAME] (docs/runs.md); its "
        "settings are taken from there; left out: the one with the same settings", recorded="changed", **TRAIN_ONLY,
    )  # fmt: skip
    codebook_epochs: int = setting(0, "codebook_ep", "most epochs of the codebook phase; 0: as -ep", unit="epochs", check=AT_LEAST_0)
    codebook_learning_rate: float = setting(0.0, "codebook_lr", "rate of the backbone in the codebook phase; 0: as -lr", check=AT_LEAST_0)
    smoothing: float = setting(
        0.1, "smoothing", "label smoothing of the codebook phase", check=(lambda value: 0 <= value < 1, "at least 0 and below 1")
    )
    codebook_scale: float = setting(
        0.01, "codebook_scale", "standard deviation of the codebook's first entries; far below rate times steps, or it is hardly learnt",
        check=POSITIVE,
    )  # fmt: skip
    load_codebook: str = setting(
        "", "load_codebook", "FILE.npy of real numbers (classes, bits) that the codebook starts from; left out: random ones"
    )
    save_codebook: str = setting(
        "", "save_codebook", "FILE.npy that gets a copy of the run's codebook.npy", recorded="changed", **TRAIN_ONLY
    )

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], source: str) -> Self:
        """Build settings from long or short names; those of the run behind ``codebook``, where one is named, come from there.

        Raises:
            UsageError: for values that cannot be used, or contradict that run.
            RunError: when there is no such run, or it is none of the codebook phase.
        """
        names = cls.long_names()
        handle = next((str(value) for key, value in values.items() if names.get(key) == "codebook_run"), "")
        given = {names.get(key, key): value for key, value in values.items() if names.get(key) != "codebook_run"}
        if not handle:
            return super().from_mapping(values, source)
        return super().from_mapping(given, source)._going_on_from(handle, given)

    @property
    def classifies(self) -> bool:
        """True: the codebook tells classes."""
        return True

    @property
    def parent(self) -> Settings:
        """Settings of the codebook phase that the codes phase goes on from."""
        return replace(self, phase=CODEBOOK, soft_skip=False)

    @property
    def name(self) -> str:
        """Name of the run's folder; that of both phases is the name of the last."""
        if self.phase == CODEBOOK:
            return super().name
        own = self.name_of(tuple(row for row in self.table() if row[0].name in ("epochs", "learning_rate")))
        return derived_name(f"-phase={CODES}{own}", self.parent.name)

    @property
    def asks_beside_training(self) -> bool:
        """Whether a copy of the codebook is asked for, which a finished run can still give."""
        return bool(self.save_codebook)

    def complete(self) -> None:
        """Let the codebook phase have the epochs and the rate of the other where it has none of its own."""
        super().complete()
        for name, meant in _OF_PARENT.items():
            value = getattr(self, name) or getattr(self, meant)
            if self.phase == CODEBOOK:
                self.put(meant, value)
            if value == getattr(self, meant):
                self.put(name, 0)

    def check(self) -> None:
        """Refuse a handle that :meth:`from_mapping` has not looked up."""
        super().check()
        if self.codebook_run:
            raise UsageError(f"-codebook {self.codebook_run}: build the settings by from_mapping, which takes them from that run")

    def as_dict(self, phase: str) -> dict[str, Any]:
        """Return the settings of a phase under their long names, and of the codes phase the method and the whole name of the parent."""
        values = super().as_dict(phase)
        values.pop("save_codebook", None)  # where a copy lies says nothing of the run
        derived = {} if self.phase == CODEBOOK else {"phase": CODES, "parent": f"{self.method}/{self.parent.name}"}
        return values | derived

    def _going_on_from(self, handle: str, given: Collection[str]) -> Self:
        """Return the settings of the codes phase of a run; those that were given must not contradict it."""
        if self.phase == CODEBOOK:
            raise UsageError(f"-phase {CODEBOOK} learns a codebook, and -codebook {handle} names a finished one: leave out one of the two")
        run = run_of(handle)
        parent = run.settings()
        if not isinstance(parent, type(self)) or parent.phase != CODEBOOK:
            kind = f"of the {CODES} phase" if parent.method == self.method else f"of the method {parent.method}"
            raise RunError(f"-codebook {run} is a run {kind}: name one of the {CODEBOOK} phase of {self.method}")
        own: dict[str, Any] = {"phase": CODES, "no_skip": False, "soft_skip": False}
        own |= {name: getattr(parent, meant) for name, meant in _OF_PARENT.items()}
        for field, row in self.table():
            if field.name not in given or field.name == "phase":
                continue
            identifies = row.named != "never" or field.name in ("database", "experiment_name")
            meant = _OF_PARENT.get(field.name, field.name)
            here, there = getattr(self.parent, meant), getattr(parent, meant)
            if identifies and field.name not in _OWN and here != there:
                raise UsageError(f"-{row.flag} {here} contradicts the run that -codebook names: it has {there}")
            if field.name not in _OF_PARENT:
                own[field.name] = getattr(self, field.name)
        return replace(parent, **own)
