"""Settings of a run that trains in about a second."""

import pytest

from biodeephashing.models.PenaltyStrategies import Settings


@pytest.fixture
def settings(tiny_database):
    """Return the settings of a run that trains in about a second."""
    return Settings(
        experiment_name="test", database=tiny_database, loss="DCH", number_of_bits=12, transformations="none",
        architecture="bio-lenet", mode="frsf", batch_size=8, epochs=3, learning_rate=1e-3, num_workers=0,
        device="cpu", tracking="off",
    )  # fmt: skip
