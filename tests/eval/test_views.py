"""Runs whose items have two views: from image to text, from text to image, and within each."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from evaluation_cases import BY_FEATURE, FURTHER, KEYS
from fabricated_methods import Projections, coded_run, install
from fabricated_runs import write_run
from ranking_oracle import ap_of_ranking, distances_of, feature_gap, ranking_by, relevance_of

from biodeephashing.checksums import digest
from biodeephashing.codes import pack, unpack
from biodeephashing.commands.compare import compare, compare_runs
from biodeephashing.commands.evaluate import evaluate
from biodeephashing.commands.list_runs import list_runs
from biodeephashing.data.metadata import load_fold
from biodeephashing.errors import RunError
from biodeephashing.eval import APSpec, RetrievalTask, mean_average_precision
from biodeephashing.models.predictions import write_codes
from biodeephashing.runs import Run
from biodeephashing.tracking import tracked_runs

DIRECTIONS = {"i2t": ("image", "text"), "t2i": ("text", "image"), "i2i": ("image", "image"), "t2t": ("text", "text")}
BLOCK = {*KEYS} - {
    "hparams",
    "output_path",
    "datafold",
    "split",
    "checkpoint",
    "codes_sha256",
    "features_sha256",
    "metadata_sha256",
    "pictures",
}
HEADLINE = {*BLOCK} - {
    "n_queries",
    "n_queries_without_relevant",
    "n_database",
    "bit_zero_count",
    "unique_codes",
    "code_health",
    "bootstrap",
}


@pytest.fixture
def pairs(monkeypatch) -> Projections:
    install(monkeypatch, "Pairs", method := Projections(["image", "text"]))
    return method


@pytest.fixture
def run(pairs, tiny_database) -> Run:
    return coded_run(pairs, "Pairs", tiny_database)


def by_double_loop(run: Run, fold: str, direction: str, ties: str) -> float:
    asked, searched = DIRECTIONS[direction]
    bits = [unpack(np.load(run.codes_file(*part)), 12) for part in ((fold, asked), ("database", searched))]
    features = [np.load(run.features_file(*part)) for part in ((fold, asked), ("database", searched))]
    labels = [load_fold(run.database, side).labels for side in (fold, "database")]
    total = 0.0
    for query, feature, classes in zip(bits[0], features[0], labels[0], strict=True):
        distances, relevance = distances_of(query, bits[1]), relevance_of(classes, labels[1])
        ranking = ranking_by(ties, distances, relevance, [feature_gap(feature, item) for item in features[1]])
        total += ap_of_ranking(ranking, len(ranking), "retrieved")
    return total / len(bits[0])


def test_files_and_their_record(run, pairs, capsys):
    names = {path.name for path in run.directory.glob("*.npy")}
    folds = ("train", "val", "query", "database")
    assert names == {f"{fold}-{view}-{what}.npy" for fold in folds for view in ("image", "text") for what in ("features", "codes")}
    views = json.loads(run.predictions_file.read_text())["folds"]["query"]["views"]
    assert [*views] == ["image", "text"]
    assert {view: facts["codes_sha256"] for view, facts in views.items()} == {view: digest(run.codes_file("query", view)) for view in views}
    capsys.readouterr()
    settings = run.settings()
    write_codes(run, settings, quiet=False)
    assert capsys.readouterr().out.count("skipped") == 4
    write_codes(run, replace(settings, tsv=True, datafolds=("val",)), quiet=False)
    assert "val text: 16 codes of 12 bits" in capsys.readouterr().out
    text = np.loadtxt(run.hashes_file("val", "text"), dtype=int, delimiter="\t")
    assert np.array_equal(text, unpack(np.load(run.codes_file("val", "text")), 12))
    run.codes_file("query", "text").unlink()
    write_codes(run, settings, quiet=False)
    assert capsys.readouterr().out.count("skipped") == 3


@pytest.mark.parametrize("fold", ["query", "val"])
def test_every_direction_is_that_of_a_double_loop(run, fold):
    result = evaluate(run, quiet=True)[fold]
    assert result == json.loads(run.evaluation_file(fold).read_text())
    for direction, (asked, searched) in DIRECTIONS.items():
        block = result[direction]
        assert block.keys() == BLOCK
        for ties in ("index", "feature", "worst", "best"):
            assert block[f"mAP_{ties}"] == pytest.approx(by_double_loop(run, fold, direction, ties), abs=1e-12), (direction, ties)
        arrays = np.load(run.codes_file(fold, asked)), np.load(run.codes_file("database", searched))
        task = RetrievalTask(*arrays, *(load_fold(run.database, side).labels for side in (fold, "database")))
        assert block["mAP_expected"] == pytest.approx(mean_average_precision(task, APSpec()), abs=1e-14)
        assert (block["n_queries"], block["n_database"]) == (16, 32)
    assert {*result} == HEADLINE | {*DIRECTIONS} | {*KEYS} - BLOCK
    for key in HEADLINE - {"tie_mode", "denominator", "empty"}:
        assert result[key] == pytest.approx((result["i2t"][key] + result["t2i"][key]) / 2, abs=1e-15), key
    assert result["codes_sha256"]["database"] == {view: digest(run.codes_file("database", view)) for view in ("image", "text")}


def test_what_is_current_is_skipped(run, capsys):
    first = evaluate(run)
    said = capsys.readouterr().out
    assert "\nmean: of i2t and t2i\n" in said
    assert f"{first['query']['t2i']['mAP_expected']:.4f}" in said
    assert evaluate(run, no_features=True) == first
    assert capsys.readouterr().out.count("skipped:") == 2
    features = -np.load(run.features_file("val", "text"))
    np.save(run.features_file("val", "text"), features)
    np.save(run.codes_file("val", "text"), pack(features))
    with pytest.raises(RunError, match=r"val-text-codes.npy was changed after it was predicted"):
        evaluate(run)
    record = json.loads(run.predictions_file.read_text())
    facts = record["folds"]["val"]["views"]["text"]
    facts |= {"features_sha256": digest(run.features_file("val", "text")), "codes_sha256": digest(run.codes_file("val", "text"))}
    run.predictions_file.write_text(json.dumps(record))
    second = evaluate(run)
    assert capsys.readouterr().out.count("skipped:") == 1
    assert second["val"]["t2i"]["mAP_expected"] != first["val"]["t2i"]["mAP_expected"]
    assert second["val"]["i2t"]["mAP_expected"] == first["val"]["i2t"]["mAP_expected"]
    assert [one.score for one in list_runs()] == [second["query"]["mAP_expected"]]
    asked = evaluate(run, measures=[APSpec(k=5)], quiet=True)["query"]
    assert asked["mAP_expected_at_k=5"] == (asked["i2t"]["mAP_expected_at_k=5"] + asked["t2i"]["mAP_expected_at_k=5"]) / 2
    without_one = {key: value for key, value in asked.items() if key != "t2t"}
    for damaged in (asked | {"i2t": {}}, without_one):
        run.evaluation_file("query").write_text(json.dumps(damaged))
        assert evaluate(run, measures=[APSpec(k=5)], quiet=True)["query"] == asked, "a direction that lacks numbers is measured again"


def test_without_features(run):
    for fold in ("query", "val"):
        for view in ("image", "text"):
            run.features_file(fold, view).unlink()
    result = evaluate(run, no_features=True, quiet=True)["query"]
    assert {*result} == (HEADLINE - BY_FEATURE) | {*DIRECTIONS} | {*KEYS} - BLOCK
    assert result["features_sha256"] == {side: {"image": None, "text": None} for side in ("query", "database")}


@pytest.mark.usefixtures("unrendered")
def test_tracking_and_comparison(pairs, tiny_database, tracked_home, capsys):
    runs = [coded_run(pairs, "Pairs", tiny_database, seed=seed, tracking="on") for seed in (0, 1)]
    results = [evaluate(run, plots=True, quiet=True)["query"] for run in runs]
    metrics = {run.settings["seed"]: run.metrics for run in tracked_runs(tiny_database, "trial")}["1"]
    assert metrics["query_mAP_expected"] == results[1]["mAP_expected"]
    assert metrics["query_mAP_feature_at_1000_t2i"] == results[1]["t2i"]["mAP_feature_at_k=1000"]
    assert {name for name in metrics if name.endswith("nDCG_expected_at_1000_i2t")} == {
        f"{fold}_nDCG_expected_at_1000_i2t" for fold in ("query", "val")
    }
    assert len([name for name in metrics if "mAP" not in name and name.startswith("query")]) == 5 * len(FURTHER)
    figures = {path.name for path in runs[0].evaluation.glob("query-*.png")}
    what = ("precision_recall", "precision_at_n", "distances", "bits")
    assert figures == {f"query-{direction}-{name}.png" for direction in DIRECTIONS for name in what}
    folder = compare(tiny_database, "trial")
    said = capsys.readouterr().out
    assert "of runs with several views: the mean of i2t and t2i" in said
    assert f"{np.mean([result['mAP_expected'] for result in results]):.4f}" in said
    assert not (folder / "comparison-retrieval.png").exists()
    compare(tiny_database, "trial", metric="query_mAP_expected_i2t")
    said = capsys.readouterr().out
    assert f"{np.mean([result['i2t']['mAP_feature'] for result in results]):.4f}" in said
    assert "query fold, i2t" in said
    assert (folder / "comparison-retrieval.png").exists()


def test_two_runs_query_by_query(pairs, run, tiny_database):
    runs = [run, coded_run(pairs, "Pairs", tiny_database, seed=1)]
    results = [evaluate(one, quiet=True)["query"] for one in runs]
    folders = [str(one.directory) for one in runs]
    for metric, numbers in {
        "query_mAP_expected": [result["mAP_expected"] for result in results],
        "query_mAP_index_t2t": [result["t2t"]["mAP_index"] for result in results],
    }.items():
        paired = compare_runs(folders, metric=metric)
        assert [paired.first.value, paired.second.value] == pytest.approx(numbers, abs=1e-14)
    with pytest.raises(RunError, match=r"has no direction v2t: it has i2t, t2i, i2i, t2t"):
        compare_runs(folders, metric="query_mAP_index_v2t")
    alone = str(write_run(tiny_database).directory)
    with pytest.raises(RunError, match=r"\(image and text\) and .*\(one view\) cannot be compared query by query"):
        compare_runs([folders[0], alone])
