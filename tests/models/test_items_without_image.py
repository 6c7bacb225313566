"""Methods of images alone on a dataset with items that are a text alone: what is counted, learned from, encoded and rotated."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from paired_dataset import prepare_pairs

from biodeephashing.commands.evaluate import evaluate
from biodeephashing.commands.predict import predict
from biodeephashing.commands.rotate import rotate
from biodeephashing.commands.train import train
from biodeephashing.data import load_fold
from biodeephashing.errors import UsageError
from biodeephashing.models import ITQ
from biodeephashing.models.LLC.losses import check_single
from biodeephashing.models.PenaltyStrategies import Settings
from biodeephashing.models.PenaltyStrategies.loss import build_loss
from biodeephashing.training.checkpoints import read_checkpoint


@pytest.fixture
def settings(settings: Settings, project_home: Path) -> Settings:
    """Return the settings of a training; rows of the folds: train 0-19, val 20-29, query 30-37, database 38-51."""
    database = prepare_pairs("LACKING", without_image=(0, 3, 20, 31, 40, 41))
    return replace(settings, database=database, epochs=1, no_cube=True, penalty=0.0, loss="DSH")


def test_a_run_and_its_rotation_leave_them_out(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    run = train(settings)
    out = capsys.readouterr().out
    assert "train 18 images of 4 classes, val 9 images of 4 classes, query 7 images of 4 classes, database 12 images of 4" in out
    assert "each of 9 val images is ranked against the 8 others" in out
    predict(settings, quiet=True)
    rotated = rotate(ITQ.Settings.rotating(settings))
    assert f"val mAP {read_checkpoint(run.best_checkpoint)['val_mAP']:.4f} before the rotation" in capsys.readouterr().out
    result = evaluate(rotated, quiet=True)["query"]
    assert (result["n_queries"], result["n_database"]) == (7, 12)
    assert not np.load(rotated.features_file("train"))[[0, 3]].any()


def test_reference_features_keep_their_rows(settings: Settings) -> None:
    run = train(replace(settings, loss="BiHalf", no_cube=False), quiet=True)
    reference = read_checkpoint(run.best_checkpoint)["loss"]["reference"]
    assert np.flatnonzero(~reference.any(dim=1).numpy()).tolist() == [0, 3]


def test_what_needs_every_item(settings: Settings) -> None:
    fold = load_fold(settings.database, "train")
    with pytest.raises(UsageError, match="DSDH solves for the codes of all train items, and 2 of 20 have no image"):
        build_loss(replace(settings, loss="DSDH"), fold)
    with pytest.raises(UsageError, match=r"images/001\.png .*has 2 classes, as 9 of 18 have"):  # row 0 is no image
        check_single(fold)
