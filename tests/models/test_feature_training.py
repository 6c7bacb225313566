"""Training, codes and evaluation of ready features, by one network and by two towers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from biodeephashing.codes import pack
from biodeephashing.commands.evaluate import evaluate
from biodeephashing.commands.predict import predict
from biodeephashing.commands.train import train
from biodeephashing.data import load_features, load_fold
from biodeephashing.data.own.features import prepare_features
from biodeephashing.errors import RunError, UsageError
from biodeephashing.models.CrossModal import Settings as CrossSettings
from biodeephashing.models.CrossModal.encoder import CrossEncoder
from biodeephashing.models.encoder import Encoder
from biodeephashing.models.feature_encoder import FeatureEncoder
from biodeephashing.models.PenaltyStrategies import Settings
from biodeephashing.runs.hparams_json import read_hparams
from biodeephashing.training.checkpoints import read_checkpoint

COUNT, CLASSES = 120, 4
USUAL = {"experiment_name": "t", "database": "MINE", "number_of_bits": 8, "device": "cpu", "tracking": "off", "num_workers": 0}


@pytest.fixture
def mine(project_home: Path, tmp_path: Path) -> str:
    """Two views of four classes, each a point in space of its own, far from 0 and of different scale in each column."""
    generator, numbers = np.random.default_rng(0), np.arange(COUNT) % CLASSES
    for name, width in (("x", 6), ("t", 5)):
        points = generator.standard_normal((CLASSES, width))[numbers] + 0.2 * generator.standard_normal((COUNT, width))
        np.save(tmp_path / f"{name}.npy", (100 + points * 10.0 ** np.arange(width)).astype(np.float32))
    np.save(tmp_path / "y.npy", numbers)
    files = {flag: [str(tmp_path / f"{name}.npy")] for flag, name in (("features", "x"), ("texts", "t"), ("labels", "y"))}
    prepare_features("MINE", **files, share=["train-database"])
    return "MINE"


@pytest.fixture
def settings(mine: str) -> Settings:
    return Settings(**USUAL, architecture="mlp:32", loss="DCH", batch_size=20, epochs=3, learning_rate=1e-2)


def by_hand(state: dict[str, torch.Tensor], values: np.ndarray, statistics: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Return what a network of one hidden layer makes of rows, in double precision."""
    array = {name: tensor.double().numpy() for name, tensor in state.items()}
    rows = (values.astype(np.float64) - statistics[0]) / statistics[1]
    hidden = np.maximum(0, rows @ array["backbone.layers.hidden.0.weight"].T + array["backbone.layers.hidden.0.bias"])
    return hidden @ array["hash_layer.weight"].T + array["hash_layer.bias"]


def test_training_codes_and_evaluation(settings: Settings) -> None:
    run = train(settings, quiet=True)
    predict(run.settings(), quiet=True)
    state = read_checkpoint(run.best_checkpoint)["network"]
    train_rows = load_features(load_fold("MINE", "train")).astype(np.float64)
    expected = by_hand(state, load_features(load_fold("MINE", "query")), (train_rows.mean(axis=0), train_rows.std(axis=0)))
    features, codes = np.load(run.features_file("query")), np.load(run.codes_file("query"))
    assert np.allclose(features, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())
    assert np.array_equal(codes, pack(features))
    assert evaluate(run, quiet=True)["query"]["mAP"] > 0.7  # 0.25 by chance
    assert "preprocessing" not in read_hparams(run.hparams_file)
    assert "-trf=dataset-arch=mlp%3A32" in run.directory.name
    again = train(replace(settings, no_skip=True), quiet=True)
    assert all(torch.equal(tensor, state[name]) for name, tensor in read_checkpoint(again.best_checkpoint)["network"].items())


@pytest.mark.parametrize("rule", ["bp", "fa", "frsf", "dfa"])
@pytest.mark.parametrize("backbone", ["bio-linear", "bio-mlp:8,4"])
def test_rules_and_raw_features(settings: Settings, backbone: str, rule: str) -> None:
    run = train(replace(settings, architecture=backbone, mode=rule, epochs=1, transformations="none"), quiet=True)
    state = read_checkpoint(run.best_checkpoint)["network"]
    assert state["backbone.mean"].eq(0).all()
    assert state["backbone.deviation"].eq(1).all()
    assert run.status == "finished"


def test_the_encoder(settings: Settings) -> None:
    run = train(replace(settings, epochs=1), quiet=True)
    predict(run.settings(), quiet=True)
    values = load_features(load_fold("MINE", "query"))
    encoded = FeatureEncoder.of(run, device="cpu").encode(values, batch_size=5)
    assert np.allclose(encoded.features, np.load(run.features_file("query")), rtol=1e-4, atol=1e-4)
    assert np.array_equal(encoded.codes, pack(encoded.features))
    with pytest.raises(UsageError, match="6 numbers"):
        FeatureEncoder.of(run, device="cpu").encode(values[:, :5])
    with pytest.raises(UsageError, match="finite"):
        FeatureEncoder.of(run, device="cpu").encode(np.full((1, 6), np.nan))
    with pytest.raises(RunError, match="hashes ready features, not images"):
        Encoder.of(run, device="cpu")


def test_two_towers(mine: str) -> None:
    settings = CrossSettings(
        **USUAL, architecture="mlp:32", text_architecture="bio-mlp:16", loss="DNpH", batch_size=20, epochs=6, learning_rate=1e-2
    )
    run = train(settings, quiet=True)
    predict(run.settings(), quiet=True)
    result = evaluate(run, quiet=True)["query"]
    assert min(result[direction]["mAP"] for direction in ("i2t", "t2i", "i2i", "t2t")) > 0.5  # 0.25 by chance
    encoder, fold = CrossEncoder.of(run, device="cpu"), load_fold("MINE", "query")
    for view, encode in (("image", encoder.encode_images), ("text", encoder.encode_texts)):
        expected = np.load(run.features_file("query", view))
        assert np.allclose(encode(load_features(fold, view)).features, expected, rtol=1e-4, atol=1e-4)
    content = read_checkpoint(run.best_checkpoint)["text"]
    rows = load_features(load_fold("MINE", "train"), "text").astype(np.float64)
    by_numpy = by_hand(content["network"], load_features(fold, "text"), (rows.mean(axis=0), rows.std(axis=0)))
    assert np.allclose(by_numpy, np.load(run.features_file("query", "text")), rtol=1e-3, atol=1e-3 * np.abs(by_numpy).max())


def test_features_that_changed(settings: Settings, tmp_path: Path) -> None:
    run = train(replace(settings, epochs=1), quiet=True)
    predict(run.settings(), quiet=True)
    np.save(tmp_path / "x.npy", np.load(tmp_path / "x.npy") + 1)
    files = {flag: [str(tmp_path / f"{name}.npy")] for flag, name in (("features", "x"), ("texts", "t"), ("labels", "y"))}
    prepare_features("MINE", **files, share=["train-database"], no_skip=True)
    with pytest.raises(RunError, match="with other image features in train and val"):
        predict(run.settings(), quiet=True)
    with pytest.raises(RunError, match="image features"):
        evaluate(run, quiet=True)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"architecture": "lenet", "transformations": "none"}, "MINE has ready features, and -arch lenet takes images"),
        ({"transformations": "imagenet"}, "-trf imagenet changes images"),
        ({"weights": "imagenet"}, "-weights imagenet"),
        ({"architecture": "mlp:0"}, "mlp:0"),
        ({"architecture": "mpl"}, "mlp"),
    ],
)
def test_what_is_refused(settings: Settings, change: dict[str, str], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        train(replace(settings, **change), quiet=True)


def test_images_are_no_features(tiny_database: str) -> None:
    settings = Settings(**USUAL | {"database": tiny_database}, architecture="linear")
    with pytest.raises(UsageError, match=f"{tiny_database} has images, and -arch linear takes ready features"):
        train(settings, quiet=True)


def test_settings_of_words_are_refused(mine: str) -> None:
    with pytest.raises(UsageError, match="-text_weights tfidf is about words"):
        train(CrossSettings(**USUAL, architecture="mlp:8", text_weights="tfidf"), quiet=True)
