"""Mean and deviation of the colours of a fold, and runs that are normalised by them."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from biodeephashing.commands.train import train
from biodeephashing.data import Metadata, load_fold
from biodeephashing.data.images.colours import colours_of
from biodeephashing.data.metadata import read_metadata, write_metadata
from biodeephashing.models.PenaltyStrategies import Settings
from biodeephashing.runs import home
from biodeephashing.training.feeding import transformation_of


def test_colours_are_those_of_all_pixels(tiny_database):
    fold = load_fold(tiny_database, "train")
    pixels = np.concatenate([np.asarray(Image.open(fold.image(row)), dtype=np.float64).reshape(-1, 3) for row in range(len(fold))]) / 255
    colours = colours_of(fold)
    assert colours.size is None
    assert colours.mean == pytest.approx(pixels.mean(axis=0), abs=1e-6)
    assert colours.std == pytest.approx(pixels.std(axis=0), abs=1e-6)


def test_images_of_different_sizes_count_by_their_pixels(project_home):
    folder = project_home / "data" / "processed" / "TWO"
    folder.mkdir(parents=True)
    for name, size, value in (("a.png", (1, 1), 255), ("b.png", (3, 1), 51)):
        Image.new("RGB", size, (value, 0, 255)).save(folder / name)
    paths = [(folder / name).relative_to(home()).as_posix() for name in ("a.png", "b.png")]
    write_metadata(folder / "train_metadata.txt", paths, np.ones((2, 1), dtype=np.uint8))
    fold: Metadata = read_metadata(folder / "train_metadata.txt")
    colours = colours_of(fold)
    assert colours.mean == pytest.approx((0.4, 0.0, 1.0))  # one pixel of 1, three of 0.2
    assert colours.std == pytest.approx((0.34641, 1 / 255, 1 / 255), abs=1e-6)  # sqrt((0.6² + 3 0.2²) / 4)


def test_a_run_is_normalised_by_its_train_fold_and_says_so(tiny_database):
    settings = Settings(
        database=tiny_database, architecture="lenet", transformations="dataset", number_of_bits=8, batch_size=8, epochs=1, num_workers=0,
        device="cpu", tracking="off",
    )  # fmt: skip
    run = train(settings, quiet=True)
    expected = colours_of(load_fold(tiny_database, "train"))
    assert tuple(run.hparams()["preprocessing"]["mean"]) == expected.mean
    assert transformation_of(replace(settings, seed=1)).preprocessing == expected
    assert "-trf=dataset-" in run.name
