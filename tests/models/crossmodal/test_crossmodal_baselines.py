"""Baselines of images and texts: four directions by the engine of every run, items that lack a view, the table."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from biodeephashing.commands.baselines import baselines
from biodeephashing.data import load_fold, load_texts
from biodeephashing.data.own.features import prepare_features
from biodeephashing.errors import DataError, UsageError
from biodeephashing.eval import RetrievalTask, mean_average_precision
from biodeephashing.models.CrossModal.baselines import main

DIRECTIONS = {"i2t": ("image", "text"), "t2i": ("text", "image"), "i2i": ("image", "image"), "t2t": ("text", "text")}


def by_hand(database: str, bits: int) -> dict[str, float]:
    """Return the mAP of ridge regression by plain least squares, of the first draw."""
    words = sorted({word for text in load_texts(database, "database").texts for word in text.split()})
    items, labels = {}, {}
    for fold in ("train", "query", "database"):
        metadata = load_fold(database, fold)
        labels[fold] = metadata.labels
        pixels = [np.asarray(Image.open(metadata.image(row)).convert("RGB")).transpose(2, 0, 1).ravel() for row in range(len(metadata))]
        items[fold, "image"] = np.array(pixels) / 255
        items[fold, "text"] = np.array([[word in text.split() for word in words] for text in load_texts(database, fold).texts], float)
    targets = np.sign(labels["train"] @ np.random.default_rng(0).choice([-1.0, 1.0], size=(4, bits)))
    codes = {}
    for view in ("image", "text"):
        mean = items["train", view].mean(axis=0)
        centred = items["train", view] - mean
        weight = centred.T @ np.linalg.solve(centred @ centred.T + np.eye(len(centred)), targets - targets.mean(axis=0))
        for fold in ("query", "database"):
            codes[fold, view] = np.where((items[fold, view] - mean) @ weight + targets.mean(axis=0) >= 0, 1, -1)
    return {
        name: mean_average_precision(RetrievalTask(codes["query", a], codes["database", b], labels["query"], labels["database"]))
        for name, (a, b) in DIRECTIONS.items()
    }


def test_ridge_regression_retrieves_as_by_hand(prepare_pairs):
    database = prepare_pairs()
    results = baselines(database, [5])
    assert results["ridge", 5][0] == pytest.approx(by_hand(database, 5), abs=0.02)  # float32: a bit near zero may turn
    assert list(results) == [("chance", 0), ("CCA", 5), ("ridge", 5)]
    assert len(results["ridge", 5]) == 3


def test_chance_is_the_mean_over_all_orders(prepare_pairs):
    database = prepare_pairs()
    queries, items = (load_fold(database, fold).labels for fold in ("query", "database"))
    generator, values = np.random.default_rng(0), []
    for relevant in (items @ queries.T > 0).T:
        orders = [generator.permutation(relevant) for _ in range(400)]
        values.append(np.mean([np.mean(np.cumsum(one)[one] / (np.flatnonzero(one) + 1)) for one in orders]))
    assert list(baselines(database, [2])["chance", 0][0].values()) == [pytest.approx(np.mean(values), abs=0.02)] * 4


def test_items_that_lack_a_view_are_left_out(prepare_pairs):
    whole, lacking = prepare_pairs(), prepare_pairs("LACKING", without_image=(2, 31, 40, 41), without_text=(5, 6, 33, 34, 22))
    for one in baselines(lacking, [4]).values():
        assert all(0 < value <= 1 for draw in one for value in draw.values())
    assert baselines(lacking, [4])["chance", 0] != baselines(whole, [4])["chance", 0]


def test_the_table_has_a_row_for_each_baseline_and_length(prepare_pairs, capsys):
    main(["-db", prepare_pairs(), "-nbits", "3", "5"])
    caption, rules, _, header, _, *rows = capsys.readouterr().out.splitlines()
    assert "PAIRS" in caption
    assert "ties expected" in rules
    assert header.split() == ["baseline", "bits", "i2t", "t2i", "i2i", "t2t"]
    assert [row.split()[:2] for row in rows] == [["chance", "any"], *(["CCA", n] for n in "35"), *(["ridge", n] for n in "35")]
    assert all(row.count("±") == 4 for row in rows if row.startswith("ridge"))


def test_what_cannot_be_measured_is_refused(prepare_pairs, tiny_database):
    with pytest.raises(UsageError, match="-nbits 0"):
        baselines(prepare_pairs(), [4, 0])
    with pytest.raises(UsageError, match=r"at most .* bits, not 64"):
        baselines("PAIRS", [64])
    with pytest.raises(DataError, match="no texts"):
        baselines(tiny_database)


def test_ready_features_may_have_any_scale(project_home, tmp_path):
    generator = np.random.default_rng(0)
    labels = np.arange(60) % 3
    arrays = {"features": np.eye(3)[labels] + generator.normal(size=(60, 3)), "texts": np.eye(3)[labels] + generator.normal(size=(60, 3))}
    found = []
    for name, factor in (("ONE", 1.0), ("LARGE", 1024.0)):
        for key, values in (arrays | {"labels": labels}).items():
            np.save(tmp_path / f"{key}.npy", values if key == "labels" else (factor * values).astype(np.float32))
        prepare_features(name, **{key: [str(tmp_path / f"{key}.npy")] for key in (*arrays, "labels")})
        found.append(baselines(name, [3]))
    assert found[0] == found[1]
    assert found[0]["ridge", 3][0]["i2t"] > found[0]["chance", 0][0]["i2t"]
