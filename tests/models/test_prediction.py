"""Prediction: what is written, what is skipped, and what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from biodeephashing import codes
from biodeephashing.backbones import build_network
from biodeephashing.commands.predict import predict
from biodeephashing.commands.train import train
from biodeephashing.data import ImageFold, load_fold, normalise
from biodeephashing.errors import RunError, UsageError
from biodeephashing.models.PenaltyStrategies.predict import main as predict_main
from biodeephashing.runs import Run
from biodeephashing.training.checkpoints import read_checkpoint
from biodeephashing.training.feeding import batches_of, images_of


@pytest.mark.parametrize(("device", "pinned"), [("cpu", False), ("cuda", True)])
def test_batches_for_a_gpu_lie_in_page_locked_memory(settings, device, pinned):
    """From elsewhere they are copied twice on their way there, while the processor waits."""
    images = images_of(load_fold(settings.database, "query"), settings)
    assert batches_of(images, settings, torch.device(device)).pin_memory == pinned


def test_prediction_is_the_network_and_files_agree(settings):
    run = train(settings, quiet=True)
    predict(replace(settings, tsv=True, predict_batch_size=5), quiet=True)
    network = build_network("lenet", bits=12)
    network.load_state_dict(read_checkpoint(run.best_checkpoint)["network"])
    network.eval()
    for fold in ("train", "val", "query", "database"):
        images = ImageFold(load_fold(settings.database, fold), "none")
        with torch.no_grad():
            expected = torch.stack([network(normalise(images[i][0].unsqueeze(0)))[0] for i in range(len(images))]).numpy()
        features = np.load(run.features_file(fold))
        assert features.dtype == np.float32
        np.testing.assert_allclose(features, expected, atol=1e-5)
        packed = np.load(run.codes_file(fold))
        assert packed.dtype == np.uint8
        assert packed.shape == (len(images), 2)
        assert np.array_equal(codes.unpack(packed, 12), codes.binarise(features))
        assert np.array_equal(np.loadtxt(run.hashes_file(fold), dtype=int, delimiter="\t"), codes.binarise(features))
    assert json.loads(run.hparams_file.read_text())["datafolds"] == ["train", "val", "query", "database"]


def test_prediction_skips_what_is_current_and_redoes_what_is_not(settings, capsys):
    run = train(settings, quiet=True)
    predict(settings, quiet=True)
    predict(settings)
    assert capsys.readouterr().out.count("skipped") == 4
    run.codes_file("val").write_bytes(run.codes_file("val").read_bytes()[:-1])  # truncated
    predict(settings)
    assert capsys.readouterr().out.count("skipped") == 3
    run.predictions_file.write_text("{")  # nothing is known of the codes
    predict(settings)
    assert capsys.readouterr().out.count("skipped") == 0
    content = read_checkpoint(run.best_checkpoint)
    content["network"]["hash_layer.bias"] += 1
    torch.save(content, run.best_checkpoint)
    predict(settings)
    assert capsys.readouterr().out.count("skipped") == 0


def test_prediction_refuses_an_unfinished_run(settings):
    with pytest.raises(RunError, match="never trained"):
        predict(settings, quiet=True)
    Run.of(settings).mark("training")
    with pytest.raises(RunError, match="'training'"):
        predict(settings, quiet=True)


def test_prediction_from_the_folder_alone(settings, capsys):
    run = train(settings, quiet=True)
    predict_main([f"--path={run.directory}", "-dfs", "query", "-nw", "0"])
    assert run.codes_file("query").exists()
    assert not run.codes_file("database").exists()
    with pytest.raises(UsageError, match="contradicts"):
        predict_main(["-p", str(run.directory), "-nbits", "64"])
