"""Methods of few lines, installed for a test: codes are random projections of labels, so nothing is trained and there is no checkpoint."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from biodeephashing.codes import pack
from biodeephashing.data import Metadata
from biodeephashing.models.encoder import Encoded
from biodeephashing.models.predictions import write_codes
from biodeephashing.runs import METHODS, Run, settings_of
from biodeephashing.runs.methods import MethodLocation
from biodeephashing.runs.predictions_json import Fingerprint
from biodeephashing.settings import CommonSettings, setting
from biodeephashing.training.status import recorded_training


@dataclass(frozen=True)
class ProjectionSettings(CommonSettings):
    """No rule, no loss, no network, no epochs."""

    experiment_name: str = setting("trial", "exp", "experiment", named="never")
    number_of_bits: int = setting(12, "nbits", "length of a code", named="always")
    tracking: str = setting("off", "tracking", "log to MLflow", named="never")


class Projections:
    """A projection of the labels per view."""

    def __init__(self, views: Sequence[str], version: str = "1") -> None:
        self.views, self.version = views, version

    def train(self, run: Run, settings: ProjectionSettings, reporting: object) -> None:
        with recorded_training(run, settings, anew=settings.no_skip):
            pass

    def fingerprint(self, run: Run, settings: ProjectionSettings) -> Fingerprint:
        return Fingerprint(sha256(f"{run.name} {self.version}".encode()).hexdigest())

    def encode(self, run: Run, settings: ProjectionSettings, folds: Sequence[Metadata], *, quiet: bool) -> Iterator[Mapping[str, Encoded]]:
        for fold in folds:
            yield {view: self._encoded(fold, settings, number) for number, view in enumerate(self.views)}

    def _encoded(self, fold: Metadata, settings: ProjectionSettings, number: int) -> Encoded:
        rng = np.random.default_rng([settings.seed, number])
        projected = fold.labels @ rng.normal(size=(fold.labels.shape[1], settings.number_of_bits))
        noise = np.random.default_rng([settings.seed, number, *fold.fold.encode()]).normal(size=projected.shape)
        features = (projected + noise).astype(np.float32)
        return Encoded(features, pack(features))


def install(monkeypatch: pytest.MonkeyPatch, name: str, method: Projections) -> None:
    """Make a method known under a name."""
    module = ModuleType(f"fabricated_{name}")
    module.METHOD, module.Settings = method, type("Settings", (ProjectionSettings,), {"method": name})
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(METHODS._entries, name, MethodLocation(f"{module.__name__}:Settings", f"{module.__name__}:METHOD"))


def coded_run(method: Projections, name: str, database: str, **settings: Any) -> Run:
    """Train and encode a run of an installed method."""
    chosen = settings_of(name)(database=database, **settings)
    run = Run.of(chosen)
    if run.status != "finished" or chosen.no_skip:
        method.train(run, chosen, None)
    write_codes(run, chosen, quiet=False)
    return run
