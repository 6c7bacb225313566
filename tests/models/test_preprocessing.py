"""Images come to a network as its weights want them, or as they are asked for; the run says which."""

import re
from dataclasses import replace

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from biodeephashing.backbones import build_network, preprocessing_of
from biodeephashing.commands.predict import predict
from biodeephashing.commands.train import train
from biodeephashing.data import ImageFold, load_fold, transformation
from biodeephashing.errors import RunError, UsageError
from biodeephashing.models.encoder import Encoder
from biodeephashing.models.PenaltyStrategies import Settings
from biodeephashing.preprocessing import Preprocessing
from biodeephashing.runs import read_json, write_json
from biodeephashing.training.checkpoints import read_checkpoint
from biodeephashing.training.feeding import preprocessing_line


def test_images_come_as_the_weights_want_them_and_the_run_says_how(settings):
    chosen = replace(settings, architecture="timm:test_vit", mode="bp", weights="none", transformations="weights-aug", epochs=1)
    run, wanted = train(chosen, quiet=True), preprocessing_of("timm:test_vit")
    kept = read_json(run.hparams_file)
    assert Preprocessing.of_record(kept["preprocessing"]) == wanted
    assert run.settings() == chosen  # the record is no setting
    predict(chosen, quiet=True)
    images, network = (
        ImageFold(load_fold(settings.database, "query"), transformation("weights", wanted)),
        build_network("timm:test_vit", bits=12),
    )
    network.load_state_dict(read_checkpoint(run.best_checkpoint)["network"])
    with torch.no_grad():
        expected = network.eval()(images.transformation.to_network_input(images.batch(range(16))[0]))
    np.testing.assert_allclose(np.load(run.features_file("query")), expected.numpy(), atol=1e-5)
    write_json(run.hparams_file, kept | {"preprocessing": kept["preprocessing"] | {"mean": [0.0, 0.0, 0.0]}})
    with pytest.raises(RunError, match=r"mean 0 0 0.*now -trf weights-aug means mean 0.5 0.5 0.5 instead of 0 0 0"):
        predict(chosen, quiet=True)


def test_another_preprocessing_than_the_weights_want_is_said_in_a_line():
    wanted = "timm:tf_efficientnet_lite0"
    lines = {
        Settings(architecture=wanted): "(-trf weights): 224×224 pixels, bicubic, .* as timm describes tf_efficientnet_lite0.in1k$",
        Settings(
            architecture=wanted, transformations="imagenet"
        ): "(-trf imagenet): 224×224 pixels, bilinear, .*; the weights require bicubic "
        "instead of bilinear, mean 0.5 0.5 0.5 instead of .*: -trf weights applies it$",
        Settings(
            architecture=wanted, transformations="none"
        ): "(-trf none): the image's own size.*require 224×224 pixels instead of the image's",
        Settings(architecture=wanted, weights="none", transformations="none"): "(-trf none): the image's own size, .* ImageNet$",
        Settings(architecture=wanted, transformations="weights-96"): "(-trf weights-96): 96×96 pixels, .* but for the size$",
        Settings(architecture="vgg16"): "(-trf imagenet): 224×224 pixels, bilinear, .* ImageNet$",
    }
    for settings, words in lines.items():
        assert re.search(words.replace("(", r"\(").replace(")", r"\)"), preprocessing_line(settings)), preprocessing_line(settings)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("weights-15", "from 16 to 2048 pixels"), ("weights-aug-2049", "from 16 to 2048 pixels"), ("weights-0", "did you mean 'weights'"),
        ("weights-096", "did you mean 'weights'"), ("weights-9.5", "did you mean 'weights'"), ("weights-", "did you mean 'weights'"),
        ("weights--96", "did you mean 'weights'"), ("imagenet-96", "did you mean 'imagenet'"), ("weights-٩٦", "did you mean 'weights'"),
    ],
)  # fmt: skip
def test_a_size_that_cannot_be_is_refused(value, words):
    with pytest.raises(UsageError, match=words):
        Settings(architecture="efficientnet_lite0", transformations=value)


def test_ready_features_have_no_size():
    with pytest.raises(UsageError, match=r"-trf weights-96 changes images"):
        Settings(architecture="mlp:16", transformations="weights-96")


@pytest.mark.parametrize("name", ["timm:tf_efficientnet_lite0", "timm:test_vit", "timm:beit_base_patch16_224"])
@pytest.mark.parametrize("side", [17, 96, 300])
def test_another_size_is_what_timm_makes_of_it(name, side):
    image = Image.fromarray(np.random.default_rng(side).integers(0, 256, (120, 161, 3), np.uint8))
    config = timm.data.resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(name.removeprefix("timm:")).to_dict())
    expected = timm.data.create_transform(**config | {"input_size": (3, side, side)})(image)
    applied = transformation(f"weights-{side}", preprocessing_of(name))
    found = applied.to_network_input(torch.from_numpy(np.stack(applied.bytes_of([image]))))[0]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_a_run_at_another_size_keeps_it(settings):
    chosen = replace(settings, architecture="lenet", mode="bp", transformations="weights-aug-48", epochs=1)
    run = train(chosen, quiet=True)
    assert "-trf=weights-aug-48-" in run.directory.name
    assert Encoder.of(run).transformation.preprocessing.size == (48, 48)
    predict(chosen, quiet=True)
