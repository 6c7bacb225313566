"""eval_map.py -no_features: what is measured without them, and what must not be mixed with what needs them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from evaluation_cases import (
    BY_FEATURE,
    FURTHER,
    KEYS,
    damage_checkpoint,
    damage_content,
    damage_metadata_version,
    without_features,
)
from fabricated_runs import write_predictions, write_run

from biodeephashing.codes import binarise
from biodeephashing.commands.evaluate import evaluate
from biodeephashing.errors import RunError, UsageError
from biodeephashing.eval import APSpec
from biodeephashing.runs import Run


@pytest.mark.usefixtures("unrendered")
def test_without_features_their_files_are_not_needed_and_the_rest_is_the_same(fabricated, capsys):
    want = evaluate(fabricated, quiet=True)
    for fold in ("query", "val", "database"):
        fabricated.features_file(fold).unlink()
        fabricated.evaluation_file(fold).unlink(missing_ok=True)
    found = without_features(fabricated, "-make_plots", "-radius", "2")
    assert "no tie rule feature: it was left out (-no_features)" in capsys.readouterr().out
    for fold, result in found.items():
        assert set(result) == KEYS - BY_FEATURE | {"mAP_expected_at_radius=2"}
        assert result["features_sha256"] == {fold: None, "database": None}
        changed = {"features_sha256", "pictures", "bootstrap", "mAP_expected_at_radius=2"}
        assert {key: result[key] for key in set(result) - changed} == {key: want[fold][key] for key in set(result) - changed}
        assert all((fabricated.evaluation / name).is_file() for name in result["pictures"])
        for key, interval in result["bootstrap"]["intervals"].items():
            assert interval == pytest.approx(want[fold]["bootstrap"]["intervals"].get(key, interval), abs=1e-14)


def test_a_full_result_serves_without_features_but_not_the_other_way_round(fabricated, capsys):
    assert set(without_features(fabricated)["query"]) == KEYS - BY_FEATURE
    without_features(fabricated)
    assert capsys.readouterr().out.count("skipped") == 2
    full = evaluate(fabricated)
    assert "skipped" not in capsys.readouterr().out
    assert set(full["query"]) == KEYS
    assert without_features(fabricated) == full
    said = capsys.readouterr().out
    assert said.count("skipped") == 2
    assert "no tie rule feature" not in said, "they stand in the file"
    assert set(without_features(fabricated, "-no_skip")["query"]) == KEYS - BY_FEATURE


def test_numbers_of_features_that_are_others_now_do_not_serve(fabricated):
    evaluate(fabricated, measures=[APSpec("feature", radius=1)], quiet=True)
    for fold in ("query", "val", "database"):
        np.save(fabricated.features_file(fold), 2 * np.load(fabricated.features_file(fold)))
    write_predictions(fabricated, 12, ("query", "val", "database"))
    assert set(without_features(fabricated)["query"]) == KEYS - BY_FEATURE


def test_the_rule_feature_cannot_be_asked_for_without_features(fabricated):
    message = "the tie rule feature needs the features, and -no_features leaves them unread"
    with pytest.raises(UsageError, match=message):
        without_features(fabricated, "-ties", "expected", "feature", "-radius", "2")
    with pytest.raises(UsageError, match=message):
        evaluate(fabricated, measures=[APSpec("feature", radius=2)], no_features=True, quiet=True)
    assert not fabricated.evaluation_file("query").exists()


def damage_text_of_others(run: Run) -> None:
    codes = binarise(np.load(run.features_file("query")))
    run.codes_file("query").unlink()
    np.savetxt(run.hashes_file("query"), codes[::-1], fmt="%d", delimiter="\t")


def forget_zeros(run: Run) -> None:
    file = run.directory / "predictions.json"
    file.write_text(file.read_text().replace('"zeros"', '"nothing"'))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_content, "query-codes.npy was changed after it was predicted"),
        (damage_text_of_others, "query-hashes.tsv was changed after it was predicted"),
        (damage_metadata_version, "another version of the dataset"),
        (damage_checkpoint, "made with another checkpoint"),
        (forget_zeros, r"predictions.json is damaged \(no zeros of the fold query\)"),
    ],
)
def test_bad_input_is_said_without_features_too(fabricated, damage, message):
    evaluate(fabricated, quiet=True)
    before = {file: file.read_bytes() for file in fabricated.evaluation.iterdir()}
    damage(fabricated)
    with pytest.raises(RunError, match=message):
        evaluate(fabricated, no_features=True, quiet=True, no_skip=True)
    assert {file: file.read_bytes() for file in fabricated.evaluation.iterdir()} == before


def test_codes_as_text_do_without_features(fabricated):
    want = evaluate(fabricated, quiet=True)["query"]
    for fold in ("query", "database"):
        np.savetxt(fabricated.hashes_file(fold), binarise(np.load(fabricated.features_file(fold))), fmt="%d", delimiter="\t")
        fabricated.codes_file(fold).unlink()
        fabricated.features_file(fold).unlink()
    got = evaluate(fabricated, no_features=True, quiet=True)["query"]
    assert {key: got[key] for key in FURTHER} == {key: want[key] for key in FURTHER}


def test_numbers_that_are_left_out_are_taken_back_from_mlflow(tracked_home: Path, tiny_database):
    from biodeephashing.tracking import tracked_runs

    run = write_run(tiny_database, tracking="on")
    evaluate(run, quiet=True)
    result = evaluate(run, no_features=True, no_skip=True, quiet=True)
    (tracked,) = tracked_runs(run.database, run.experiment)
    assert tracked.metrics["query_mAP_index"] == result["query"]["mAP_index"]
    assert not [name for name in tracked.metrics if "feature" in name]
