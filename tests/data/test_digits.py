"""DIGITS: counts, pixels against scikit-learn under two independent interpolations, and the command."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scripts import run_script
from sklearn.datasets import load_digits

from biodeephashing.data import load_fold, read_label_names, read_split
from biodeephashing.data.sets import DIGITS
from biodeephashing.errors import DataError

FOLDS = {"train": 800, "val": 200, "query": 200, "database": 597}


@pytest.fixture(scope="module")
def prepared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("digits")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BIODEEPHASHING_HOME", str(home))
        _, written = DIGITS.DATASET.prepare()
    assert written
    return home


@pytest.fixture
def home(prepared_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BIODEEPHASHING_HOME", str(prepared_home))
    return prepared_home


def test_counts_and_disjointness(home: Path) -> None:
    digits = load_digits()
    seen: list[int] = []
    for fold, size in FOLDS.items():
        metadata = load_fold("DIGITS", fold)
        rows = [int(Path(path).stem.removeprefix("digit-")) for path in metadata.paths]
        assert metadata.labels.shape == (size, 10)
        assert metadata.labels.argmax(axis=1).tolist() == digits.target[rows].tolist()
        assert rows == sorted(rows)
        if fold != "database":
            assert metadata.labels.sum(axis=0).tolist() == [size // 10] * 10
        seen += rows
    assert sorted(seen) == list(range(1797))
    split = read_split("DIGITS")
    assert (dict(split.sizes), split.partial) == (FOLDS, False)
    assert read_label_names("DIGITS") == list("0123456789")


def test_pixels(home: Path) -> None:
    """Each image is scikit-learn's, enlarged four times; PyTorch's interpolation is exact here, as all weights are dyadic."""
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(load_digits().images)[:, None], scale_factor=4, mode="bilinear", align_corners=False
    )
    rounded = np.floor(expected[:, 0].numpy() * 255 / 16 + 0.5).astype(np.uint8)
    for row in range(1797):
        with Image.open(home / f"data/processed/DIGITS/images/digit-{row:04d}.png") as image:
            assert image.mode == "L"
            assert np.array_equal(np.array(image), rounded[row])


def test_pixel_by_hand() -> None:
    """Pixel (2, 4): row centre 2.5/4 - 1/2 = 1/8, column centre 4.5/4 - 1/2 = 5/8.

    With 16 in the corner and 8 to its right: 7/8 * (3/8 * 16 + 5/8 * 8) = 9.625, and 9.625 * 255 / 16 = 153.4.
    """
    digit = np.zeros((1, 8, 8), np.int64)
    digit[0, 0, :2] = 16, 8
    enlarged = DIGITS.enlarge(digit)[0]
    assert enlarged[2, 4] == 153
    assert enlarged[0, 0] == 255
    assert enlarged[31, 31] == 0
    assert (DIGITS.enlarge(np.full((1, 8, 8), 16)) == 255).all()


def test_same_on_any_machine(home: Path) -> None:
    """Splits and pixels must never change: runs on other machines refer to them."""
    assert read_split("DIGITS").sha256["train_metadata.txt"] == PINNED_TRAIN
    pixels = hashlib.sha256(DIGITS.enlarge(load_digits().images.astype(np.int64)).tobytes()).hexdigest()
    assert pixels == PINNED_PIXELS


PINNED_TRAIN = "8a08f2be95f6e8ce16e10f2cc2974c1058075f8ca7e37094dd0b17e2bd4fa8e7"
PINNED_PIXELS = "bb72a09dcb2ae2a1b0982e3afd2dbfdacb70a8f0ecbc4e358dde826df0556987"


def test_second_time_skips_and_no_skip_gives_the_same(home: Path) -> None:
    folder = home / "data/processed/DIGITS"
    before = {path.name: path.read_bytes() for path in folder.glob("*.*")}
    stamp = (folder / "split.json").stat().st_mtime_ns
    _, written = DIGITS.DATASET.prepare()
    assert not written
    assert (folder / "split.json").stat().st_mtime_ns == stamp
    _, written = DIGITS.DATASET.prepare(no_skip=True)
    assert written
    assert {path.name: path.read_bytes() for path in folder.glob("*.*")} == before


def test_command(project_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = Path(DIGITS.__file__).parents[1] / "process/DIGITS.py"
    for expected in ("DIGITS, disjoint split (train 800, val 200, query 200, database 597)", "already prepared, nothing to do"):
        assert run_script(script) == 0
        said = capsys.readouterr().out
        assert said.startswith(expected)
        assert "next: python src/models/PenaltyStrategies/train.py" in said
    file = project_home / "data/processed/DIGITS/val_metadata.txt"
    file.write_text(file.read_text().replace("1 0", "0 1"))
    with pytest.raises(DataError, match=r"val_metadata\.txt was changed .*`python src/data/process/DIGITS\.py -no_skip`"):
        DIGITS.DATASET.prepare()
    assert run_script(script, "-no_skip") == 0
    assert capsys.readouterr().out.startswith("DIGITS, disjoint")
