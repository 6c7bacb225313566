"""Runs whose towers fuse the codes of several levels: their codes, their curves, shorter codes, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from biodeephashing.codes import unpack
from biodeephashing.codes.ranked_bits import keep_bits, ranked_bits
from biodeephashing.commands.predict import predict
from biodeephashing.commands.shorten import shorten
from biodeephashing.commands.train import train
from biodeephashing.data import load_fold, load_texts
from biodeephashing.errors import RunError, UsageError
from biodeephashing.models.CrossModal.encoder import CrossEncoder
from biodeephashing.models.CrossModal.shorten import main as script
from biodeephashing.training.checkpoints import read_checkpoint

VIEWS = {"i": "image", "t": "text"}


@pytest.fixture
def chosen(settings):
    return replace(settings, loss="SCAHN", text_architecture="bio-mlp:16,12", epochs=1)


def test_the_code_of_an_item_is_the_fused_one(chosen):
    run = train(chosen, quiet=True)
    predict(run.settings(), quiet=True)
    encoder, fold = CrossEncoder.of(run, device="cpu"), load_fold(run.database, "query")
    found = encoder.encode_images([fold.image(row) for row in range(3)])
    assert found.features.shape == (3, 12)
    assert np.array_equal(found.codes, np.load(run.codes_file("query", "image"))[:3])
    texts = load_texts(run.database, "query").texts[:3]
    assert np.array_equal(encoder.encode_texts(texts).codes, np.load(run.codes_file("query", "text"))[:3])


def test_curves_show_the_mean_weight_of_each_level(chosen):
    run = train(replace(chosen, fusion=2, text_architecture="bio-mlp:16,12,8"), quiet=True)
    assert "-fusion=2" in run.name
    board = EventAccumulator(str(run.logs / "version_0")).Reload()
    content = read_checkpoint(run.last_checkpoint)["state_dict"]
    for modality in VIEWS.values():
        weights = content[f"towers.{modality}.hash_layer.attention"]
        assert weights.shape == (2, 12)
        for level in (1, 2):
            (event,) = board.Scalars(f"{modality}_fusion/level_{level}")
            assert event.value == pytest.approx(weights[level - 1].mean().item(), rel=1e-5)


def test_a_frozen_backbone_leaves_the_heads_to_learn(chosen):
    run = train(replace(chosen, freeze=True, architecture="resnet20"), quiet=True)
    before = train(replace(chosen, freeze=True, architecture="resnet20", learning_rate=1e-12, experiment_name="still"), quiet=True)
    one, other = (read_checkpoint(each.best_checkpoint)["network"] for each in (run, before))
    moved = {name for name in one if not torch.equal(one[name], other[name])}
    assert {name for name in moved if name.startswith("backbone.")} == set()
    assert {"hash_layer.attention", "hash_layer.heads.0.1.weight", "hash_layer.heads.2.0.weight"} <= moved


def test_a_batch_of_one_pair_trains(chosen):
    assert train(replace(chosen, batch_size=1, mode="bp"), quiet=True).status == "finished"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architecture": "bio-cnnf"}, "cnnf gives no features of its stages"),
        ({"text_architecture": "bio-linear"}, "linear gives no features of its stages"),
        ({"fusion": 4}, "lenet has 3 stages and not 4"),
        ({"fusion": 3}, "mlp:16,12 has 2 stages and not 3"),
        ({"fusion": 1, "loss": "DSPH"}, "-fusion 1.*DSPH takes one code"),
    ],
)
def test_towers_and_losses_that_do_not_fit_are_refused(chosen, change, message):
    with pytest.raises(UsageError, match=message):
        train(replace(chosen, **change), quiet=True)


def average_precision(query, items, relevant):
    """Return the mean over many orders of tied items of the average precision."""
    generator, distances, values = np.random.default_rng(0), (query != items).sum(axis=1), []
    for _ in range(400):
        order = np.lexsort((generator.random(len(items)), distances))
        hits = relevant[order]
        values.append((hits * hits.cumsum() / np.arange(1, len(hits) + 1)).sum() / max(1, hits.sum()))
    return np.mean(values)


def test_shorter_codes_are_the_bits_of_the_largest_or_smallest_weights(chosen, capsys):
    run = train(chosen, quiet=True)
    predict(run.settings(), quiet=True)
    content = read_checkpoint(run.best_checkpoint)
    sums = [network["hash_layer.attention"].sum(0) for network in (content["network"], content["text"]["network"])]
    labels = [load_fold(run.database, fold).labels for fold in ("query", "database")]
    relevant = labels[0] @ labels[1].T > 0
    capsys.readouterr()
    for end in ("largest", "smallest"):
        order = sorted(range(12), key=lambda bit: (sums[0][bit] + sums[1][bit]).item(), reverse=end == "largest")
        results = shorten(run, [5], end=end)
        assert list(results) == [5, 12]
        for length, values in results.items():
            for direction, value in values.items():
                files = [run.codes_file(fold, VIEWS[view]) for fold, view in zip(("query", "database"), direction[::2], strict=True)]
                queries, items = (unpack(np.load(file), 12)[:, order[:length]] for file in files)
                slow = np.mean([average_precision(*one) for one in zip(queries, [items] * len(queries), relevant, strict=True)])
                assert value == pytest.approx(slow, abs=0.01)  # 400 orders of tied items
        script(["-p", str(run.directory), "-nbits", "5", "-end", end])
        assert f"{results[5]['i2t']:.4f}" in capsys.readouterr().out


def test_codes_that_cannot_be_shortened_are_refused(settings, chosen):
    with pytest.raises(RunError, match=r"fuses no codes of several levels.*SCAHN"):
        shorten(train(replace(settings, loss="DSPH", epochs=1), quiet=True))
    run = train(chosen, quiet=True)
    for length in (0, 13):
        with pytest.raises(UsageError, match=f"-nbits {length} is not possible.*12 bits"):
            shorten(run, [length])


def test_bits_are_ranked_and_kept_by_hand():
    weights = [np.array([[1.0, 0.0, 2.0], [0.0, 0.0, 0.0]]), np.array([[0.0, 5.0, -2.0]])]  # sums 1, 5, 0
    assert ranked_bits(weights).tolist() == [1, 0, 2]
    assert ranked_bits(weights, "smallest").tolist() == [2, 0, 1]
    assert ranked_bits([np.ones((2, 4))]).tolist() == ranked_bits([np.ones((2, 4))], "smallest").tolist() == [0, 1, 2, 3]
    assert keep_bits(np.array([[0b01000000]], np.uint8), 3, np.array([1, 0])).tolist() == [[0b10000000]]
