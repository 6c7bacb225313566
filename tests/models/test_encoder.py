"""The public way from images to codes: any kind of image, the preprocessing of the run, and nothing heavy besides PyTorch."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from biodeephashing.commands.predict import predict
from biodeephashing.commands.train import train
from biodeephashing.data import load_fold
from biodeephashing.errors import BioDeepHashingError, DataError, RunError, UsageError
from biodeephashing.models.encoder import Encoder
from biodeephashing.preprocessing import IMAGENET, OWN_SIZE

PAGE = Path(__file__).parents[2] / "docs" / "python.md"
ALONE = """
import sys
from biodeephashing.data import load_fold
from biodeephashing.models import load_method
from biodeephashing.models.encoder import Encoder
from biodeephashing.runs import Run

run = Run.at(sys.argv[1])
fold = load_fold(run.database, "val")
(one,) = load_method("PenaltyStrategies").encode(run, run.settings(), [fold], quiet=True)
assert (one[""].features == Encoder.of(run, device="cpu").encode([f"{sys.argv[2]}/{path}" for path in fold.paths]).features).all()
print(*sorted({"lightning", "mlflow"} & set(sys.modules)))
"""


@pytest.fixture
def run(settings):
    trained = train(replace(settings, epochs=1), quiet=True)
    predict(replace(settings, epochs=1), quiet=True)
    return trained


def test_every_kind_of_image_gives_the_features_that_prediction_wrote(run, project_home):
    encoder, written = Encoder.of(run, device="cpu"), np.load(run.features_file("val"))
    paths = [project_home / path for path in load_fold(run.database, "val").paths]
    pillow = [Image.open(path) for path in paths]
    arrays = [np.array(image) for image in pillow]
    tensors = [torch.from_numpy(array).permute(2, 0, 1) for array in arrays]
    kinds = {
        "paths": paths, "texts": map(str, paths), "Pillow": pillow, "arrays": arrays, "tensors": tensors,
        "a batch of arrays": np.stack(arrays), "batches": [torch.stack(tensors[:5]), torch.stack(tensors[5:])],
        "a mixture": [paths[0], pillow[1], *arrays[2:4], torch.stack(tensors[4:])],
    }  # fmt: skip
    for kind, images in kinds.items():
        encoded = encoder.encode(images)
        assert np.array_equal(encoded.features, written), kind
        assert np.array_equal(encoded.codes, np.load(run.codes_file("val"))), kind
    assert np.allclose(encoder.encode(paths[3], batch_size=1).features, written[3], atol=1e-5), "a single path"


def test_the_preprocessing_of_the_run_is_used(run):
    record = run.hparams_file.read_text().replace("0.485", "0.9")
    image = np.full((32, 32, 3), 80, np.uint8)
    before = Encoder.of(run, device="cpu").encode(image).features
    run.hparams_file.write_text(record)
    assert Encoder.of(run, device="cpu").transformation.preprocessing.mean[0] == 0.9
    assert not np.allclose(before, Encoder.of(run, device="cpu").encode(image).features)


class Mean(torch.nn.Module):
    def forward(self, images):
        return images.mean(dim=(2, 3))


def test_images_of_several_sizes_keep_their_order():
    images = [np.full((side, 2 * side, 3), 10 * side, np.uint8) for side in (3, 3, 5, 3)]
    for preprocessing in (OWN_SIZE, IMAGENET):
        features = Encoder(Mean(), preprocessing).encode(images, batch_size=3).features
        wanted = (np.array([[30], [30], [50], [30]]) / 255 - preprocessing.mean) / np.array(preprocessing.std)
        np.testing.assert_allclose(features, wanted, atol=1e-4)


def test_what_is_no_image_is_refused(run, tmp_path):
    encoder = Encoder(Mean(), OWN_SIZE)
    (tmp_path / "text.png").write_text("no image")
    cases = {
        "already normalised": (torch.zeros(3, 4, 4), UsageError, r"\(3, 4, 4\) of torch.float32"),
        "channels last": (torch.zeros(4, 4, 3, dtype=torch.uint8), UsageError, r"\(3, H, W\)"),
        "channels first": (np.zeros((3, 4, 4), np.uint8), UsageError, r"\(H, W, 3\)"),
        "a number": ([5], UsageError, "not int"),
        "nothing": ([], UsageError, "no image"),
        "16 bits": (Image.new("I;16", (4, 4)), UsageError, "more than 8 bits"),
        "no file": (tmp_path / "absent.png", DataError, "absent.png is missing"),
        "a damaged file": (tmp_path / "text.png", DataError, "text.png is not an image"),
    }
    for case, (images, kind, message) in cases.items():
        with pytest.raises(BioDeepHashingError) as caught:
            encoder.encode(images)
        assert type(caught.value) is kind, case
        assert re.search(message, str(caught.value)), case
    for keywords, message in (({"precision": "fp16"}, "unknown precision 'fp16'"), ({"device": "gpu"}, "device 'gpu' cannot be used")):
        with pytest.raises(UsageError, match=message):
            Encoder(Mean(), OWN_SIZE, **keywords)
    with pytest.raises(UsageError, match="batch_size 0"):
        encoder.encode(torch.zeros(3, 4, 4, dtype=torch.uint8), batch_size=0)
    run.mark("interrupted")
    with pytest.raises(RunError, match="interrupted"):
        Encoder.of(run)


@pytest.mark.slow
def test_encoding_loads_neither_lightning_nor_mlflow(run, project_home):
    command = [sys.executable, "-c", ALONE, str(run.directory), str(project_home)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert (done.stdout, done.stderr) == ("\n", "")


def test_the_page_on_python_runs(tiny_database, project_home, monkeypatch, capsys):
    monkeypatch.chdir(project_home)
    first, method = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    exec(compile(first.replace("DIGITS", tiny_database), str(PAGE), "exec"), {})
    assert re.search(r"^mAP [01]\.\d{4}$", capsys.readouterr().out, re.MULTILINE)
    (project_home / "new_method.py").write_text(method)
    command = [sys.executable, "new_method.py", "train", "Projection", "-h"]
    assert "-rank N" in subprocess.run(command, capture_output=True, text=True, timeout=900, check=True, cwd=project_home).stdout
