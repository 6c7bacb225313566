"""Images come to a network as its weights want them, or as they are asked for; the run says which."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from biodeephashing.backbones import build_network, preprocessing_of
from biodeephashing.commands.predict import predict
from biodeephashing.commands.train import train
from biodeephashing.data import ImageFold, load_fold, transformation
from biodeephashing.errors import RunError
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
        Settings(architecture="vgg16"): "(-trf imagenet): 224×224 pixels, bilinear, .* ImageNet$",
    }
    for settings, words in lines.items():
        assert re.search(words.replace("(", r"\(").replace(")", r"\)"), preprocessing_line(settings)), preprocessing_line(settings)
