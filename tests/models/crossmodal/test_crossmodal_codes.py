"""Codes of two views: prediction, four directions, the public encoder, items that lack a view, and validation."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from ranking_oracle_of_views import leave_partner_out

from biodeephashing.checksums import digest
from biodeephashing.codes import pack
from biodeephashing.commands.evaluate import evaluate
from biodeephashing.commands.predict import predict
from biodeephashing.commands.train import train
from biodeephashing.data import load_fold, load_texts
from biodeephashing.errors import BioDeepHashingError, RunError, UsageError
from biodeephashing.eval import RetrievalTask, leave_one_out_average_precision
from biodeephashing.models.CrossModal.encoder import CrossEncoder
from biodeephashing.models.encoder import Encoder
from biodeephashing.models.PenaltyStrategies import Settings as Unimodal
from biodeephashing.runs import home

DIRECTIONS = ["i2t", "t2i", "i2i", "t2t"]


@pytest.fixture
def run(settings):
    return train(replace(settings, loss="DNpH", epochs=1), quiet=True)


def test_codes_of_both_views_are_written_and_four_directions_measured(run):
    predict(run.settings(), quiet=True)
    for fold, rows in (("train", 20), ("query", 8), ("database", 14)):
        for view in ("image", "text"):
            features, codes = np.load(run.features_file(fold, view)), np.load(run.codes_file(fold, view))
            assert features.shape == (rows, 12)
            assert np.array_equal(codes, pack(features))
    result = evaluate(run, quiet=True)["query"]
    assert len({round(result[name]["mAP"], 6) for name in DIRECTIONS}) == 4
    assert result["mAP"] == pytest.approx((result["i2t"]["mAP"] + result["t2i"]["mAP"]) / 2)
    assert json.loads(run.evaluation_file("query").read_text())["t2t"]["n_database"] == 14


def test_the_encoder_of_a_run_gives_its_predicted_codes(run):
    predict(run.settings(), quiet=True)
    encoder, fold = CrossEncoder.of(run, device="cpu"), load_fold(run.database, "query")
    files = [fold.image(row) for row in range(3)]
    assert np.array_equal(encoder.encode_images(files).codes, np.load(run.codes_file("query", "image"))[:3])
    assert np.array_equal(Encoder.of(run, device="cpu").encode(files).codes, np.load(run.codes_file("query", "image"))[:3])
    texts = load_texts(run.database, "query").texts[:3]
    assert np.array_equal(encoder.encode_texts(texts).codes, np.load(run.codes_file("query", "text"))[:3])
    with pytest.raises(UsageError, match="did you mean 'ball'"):
        encoder.encode_texts(["bal"])
    with pytest.raises(UsageError, match="no text"):
        encoder.encode_texts([])


def test_the_public_encoder_refuses_a_run_without_texts(settings, tiny_database):
    shared = {"experiment_name": "test", "database": tiny_database, "number_of_bits": 8, "transformations": "none", "batch_size": 8}
    run = train(Unimodal(architecture="lenet", epochs=1, num_workers=0, device="cpu", tracking="off", **shared), quiet=True)
    with pytest.raises(RunError, match="takes no texts"):
        CrossEncoder.of(run)


def test_another_vocabulary_is_refused(run, prepare_pairs):
    predict(run.settings(), quiet=True)
    folder = home() / "data" / "processed" / run.database
    split = json.loads((folder / "split.json").read_text())
    vocabulary = folder / "vocabulary.txt"
    vocabulary.write_text(vocabulary.read_text() + "zebra\n")
    split["sha256"]["vocabulary.txt"] = digest(vocabulary)
    (folder / "split.json").write_text(json.dumps(split))
    with pytest.raises(RunError, match="vocabulary"):
        predict(replace(run.settings(), no_skip=True), quiet=True)


def test_items_that_lack_a_view_are_left_out_of_its_directions(settings, prepare_pairs):
    # rows of the folds: train 0-19, val 20-29, query 30-37, database 38-51
    database = prepare_pairs("LACKING", without_image=(2, 31, 40, 41), without_text=(5, 6, 33, 34, 22))
    for loss in ("DCMH", "DSPH"):
        run = train(replace(settings, database=database, loss=loss, epochs=1), quiet=True)
        predict(run.settings(), quiet=True)
        result = evaluate(run, quiet=True)["query"]
        sizes = {name: (result[name]["n_queries"], result[name]["n_database"]) for name in DIRECTIONS}
        assert sizes == {"i2t": (7, 14), "t2i": (6, 12), "i2i": (7, 12), "t2t": (6, 14)}
        assert not np.load(run.features_file("query", "image"))[1].any()


def test_validation_leaves_out_the_own_partner():
    generator = np.random.default_rng(3)
    images, texts = (generator.normal(size=(9, 6)) for _ in range(2))
    labels = (generator.random((9, 3)) < 0.5).astype(np.uint8)
    for queries, items in ((images, texts), (texts, images)):
        ours = leave_one_out_average_precision(pack(queries), labels, other_view=pack(items))
        assert ours == pytest.approx(leave_partner_out(np.sign(queries), np.sign(items), labels), abs=1e-12)


def test_validation_by_hand():
    codes, others = np.array([[0], [255]], dtype=np.uint8), np.array([[0], [0]], dtype=np.uint8)
    labels = np.ones((2, 1), dtype=np.uint8)
    assert leave_one_out_average_precision(codes, labels, other_view=others) == 1.0
    with pytest.raises(BioDeepHashingError, match="codes differ"):
        RetrievalTask(codes, others, labels, labels, leave_one_out=True)


def test_images_can_be_shown_as_they_are(run):
    encoder = CrossEncoder.of(run, device="cpu")
    assert encoder.encode_images(Image.new("RGB", (32, 32))).codes.shape == (1, 2)
