"""A trained and predicted run that searches, made once and copied for each test."""

from __future__ import annotations

import shutil

import pytest

from biodeephashing.commands.predict import predict
from biodeephashing.commands.train import train
from biodeephashing.models.PenaltyStrategies.settings import Settings
from biodeephashing.runs import HOME_VARIABLE, Run


def _settings(loss: str, mode: str) -> Settings:
    return Settings(
        database="TINY", architecture="bio-lenet", loss=loss, mode=mode, number_of_bits=12, epochs=1, batch_size=16, learning_rate=1e-3,
        transformations="none", num_workers=0, tracking="off", datafolds=("query", "database", "train"),
    )  # fmt: skip


@pytest.fixture(scope="session")
def searched_home(tmp_path_factory, tiny_home):
    """A project root with a dataset and two runs that were predicted."""
    home = tmp_path_factory.mktemp("searched")
    shutil.copytree(tiny_home / "data", home / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HOME_VARIABLE, str(home))
        for loss, mode in (("GreedyHash", "bp"), ("DCH", "fa")):
            settings = _settings(loss, mode)
            train(settings, quiet=True)
            predict(settings, quiet=True)
    return home


@pytest.fixture
def home(searched_home, project_home):
    """A copy of that root for one test."""
    shutil.copytree(searched_home, project_home, dirs_exist_ok=True)
    return project_home


@pytest.fixture
def run(home):
    """The run of GreedyHash."""
    return Run.of(_settings("GreedyHash", "bp"))


@pytest.fixture
def other(home):
    """The run of DCH."""
    return Run.of(_settings("DCH", "fa"))
