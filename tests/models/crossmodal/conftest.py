"""A small prepared dataset of images with texts, and settings of a run that trains in about a second."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import paired_dataset
import pytest

from biodeephashing.models.CrossModal import Settings


@pytest.fixture
def prepare_pairs(project_home: Path) -> Callable[..., str]:
    """Prepare such a dataset, see :func:`paired_dataset.prepare_pairs`."""
    return paired_dataset.prepare_pairs


@pytest.fixture
def settings(prepare_pairs) -> Settings:
    return Settings(
        experiment_name="test", database=prepare_pairs(), loss="DCMH", number_of_bits=12, transformations="none",
        architecture="bio-lenet", text_architecture="bio-mlp:16", mode="frsf", batch_size=8, epochs=2, num_workers=0, device="cpu",
        tracking="off",
    )  # fmt: skip
