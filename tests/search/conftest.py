"""A trained and predicted run that searches, made once and copied for each test."""

from __future__ import annotations

import shutil

import pytest
from paired_dataset import prepare_pairs

from biodeephashing.commands.predict import predict
from biodeephashing.commands.train import train
from biodeephashing.models.CrossModal import Settings as CrossModal
from biodeephashing.models.PenaltyStrategies.settings import Settings
from biodeephashing.runs import HOME_VARIABLE, Run

PAIRS = CrossModal(
    database="PAIRS", loss="DSPH", number_of_bits=12, transformations="none", architecture="lenet", text_architecture="mlp:16",
    batch_size=8, epochs=1, num_workers=0, device="cpu", tracking="off", datafolds=("query", "database"),
)  # fmt: skip


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


@pytest.fixture(scope="session")
def paired_home(tmp_path_factory):
    """A project root with a predicted run of two views, some of whose items lack one."""
    home = tmp_path_factory.mktemp("paired")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HOME_VARIABLE, str(home))
        prepare_pairs(without_image=(30, 38, 41), without_text=(31, 43))  # the query fold begins with row 30, the database with 38
        train(PAIRS, quiet=True)
        predict(PAIRS, quiet=True)
    return home


@pytest.fixture
def pairs(paired_home, project_home):
    """That run, in a copy of that root."""
    shutil.copytree(paired_home, project_home, dirs_exist_ok=True)
    return Run.of(PAIRS)
