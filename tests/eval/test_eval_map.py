"""eval_map.py on fabricated run directories: numbers and keys, what it says, which runs it finds, and what reaches MLflow."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from evaluation_cases import (
    CUTS,
    KEYS,
    arrays_of,
)
from fabricated_runs import write_predictions, write_run
from scripts import run_script

from biodeephashing.codes import binarise, hamming, pack
from biodeephashing.commands.evaluate import evaluate
from biodeephashing.eval import (
    APSpec,
    RetrievalTask,
    average_precision_per_query,
    mean_average_precision,
    normalized_discounted_cumulative_gain,
)
from biodeephashing.eval.eval_map import main
from biodeephashing.eval.metrics import DENOMINATORS, TIES, code_health
from biodeephashing.eval.significance import mean_intervals
from biodeephashing.runs import HOME_VARIABLE


@pytest.mark.parametrize("fold", ["query", "val"])
def test_numbers_and_keys(fabricated, fold):
    result = evaluate(fabricated, quiet=True)[fold]
    assert json.loads(fabricated.evaluation_file(fold).read_text()) == result
    assert set(result) == KEYS
    (queries, query_labels, query_features), (database, labels, features) = arrays_of(fabricated, fold), arrays_of(fabricated, "database")
    for ties in ("expected", "index", "feature", "worst", "best"):
        want = mean_average_precision(
            RetrievalTask(queries, database, query_labels, labels, features=(query_features, features)), APSpec(ties=ties)
        )
        assert result[f"mAP_{ties}"] == pytest.approx(want, abs=1e-15)
    for cut in CUTS:
        assert result[f"mAP{cut}"] == result[f"mAP_feature{cut}"]
    assert result["tie_mode"] == "feature"
    assert result["datafold"] == fold
    assert result["hparams"] == json.loads(fabricated.hparams_file.read_text())
    assert result["output_path"].endswith(f"{fold}-prediction_mAP.json")
    assert (result["n_queries"], result["n_database"], result["n_queries_without_relevant"]) == (16, 32, 0)
    assert result["bit_zero_count"] == 2  # one in each fold
    assert result["unique_codes"] == len(np.unique(binarise(features), axis=0))
    assert result["code_health"][fold] == asdict(code_health(queries, 12, query_labels))
    assert result["code_health"]["database"] == asdict(code_health(database, 12, labels))
    assert result["split"]["protocol"] == "disjoint"
    assert result["split"]["overlaps"] == {}
    assert fabricated.evaluation_file(fold).read_text().splitlines()[1].startswith('    "mAP"')


def test_numbers_beside_the_average_precisions(fabricated):
    result = evaluate(fabricated, quiet=True)["query"]
    (queries, query_labels, _), (database, labels, _) = arrays_of(fabricated, "query"), arrays_of(fabricated, "database")
    near, relevant = hamming(queries, database) <= 2, query_labels.astype(int) @ labels.T.astype(int) > 0
    found = (near & relevant).sum(axis=1)
    assert result["precision_at_radius=2"] == pytest.approx(np.mean(found / np.maximum(near.sum(axis=1), 1)), abs=1e-15)
    assert result["recall_at_radius=2"] == pytest.approx(np.mean(found / relevant.sum(axis=1)), abs=1e-15)
    assert result["nonempty_at_radius=2"] == near.any(axis=1).mean()
    for k in (100, 1000):  # beyond the 32 items: all of them
        assert result[f"precision_expected_at_k={k}"] == pytest.approx(relevant.mean(), abs=1e-15)
    want = normalized_discounted_cumulative_gain(RetrievalTask(queries, database, query_labels, labels))
    assert result["nDCG_expected_at_k=1000"] == pytest.approx(want, abs=1e-14)


def test_intervals_are_of_the_queries(fabricated):
    result = evaluate(fabricated, quiet=True)["query"]
    (queries, query_labels, _), (database, labels, _) = arrays_of(fabricated, "query"), arrays_of(fabricated, "database")
    measure = APSpec("index", k=1000)
    values = average_precision_per_query(RetrievalTask(queries, database, query_labels, labels), [measure])[measure].values
    (want,) = mean_intervals(values[:, None])
    found = result["bootstrap"]["intervals"]
    assert found["mAP_index_at_k=1000"] == [want.low, want.high]
    assert found.keys() == {key for key in KEYS if key.startswith("mAP_") and not key.startswith("mAP_at")}
    assert found["mAP_expected"][0] < result["mAP_expected"] < found["mAP_expected"][1]
    stated = {key: value for key, value in result["bootstrap"].items() if key != "intervals"}
    assert stated == {"method": "BCa", "level": 0.95, "resamples": 5000, "seed": 0}


def test_what_is_asked_for_stands_beside_the_rest(fabricated, capsys):
    always = evaluate(fabricated, quiet=True)["query"]
    command = ["-p", str(fabricated.directory), "-ties", "expected", "index", "-k", "5", "10", "-radius", "2"]
    main([*command, "-denominator", "min", "retrieved"])
    said = capsys.readouterr().out
    assert "skipped" not in said
    for words in ("first 10", "distance 2", "items within the radius or relevant items in the database, whichever are fewer (min)"):
        assert words in said
    result = json.loads(fabricated.evaluation_file("query").read_text())
    cuts = {"_at_k=5": {"k": 5}, "_at_k=10": {"k": 10}, "_at_radius=2": {"radius": 2}}
    assert set(result) - KEYS == {f"mAP_{ties}{cut}{end}" for ties in ("expected", "index") for cut in cuts for end in ("", "_min")}
    (queries, query_labels, _), (database, labels, _) = arrays_of(fabricated, "query"), arrays_of(fabricated, "database")
    for ties in ("expected", "index"):
        for name, cut in cuts.items():
            for denominator, end in (("retrieved", ""), ("min", "_min")):
                want = mean_average_precision(
                    RetrievalTask(queries, database, query_labels, labels), APSpec(ties=ties, denominator=denominator, **cut)
                )
                assert result[f"mAP_{ties}{name}{end}"] == pytest.approx(want, abs=1e-15)
    assert {key: result[key] for key in always if key != "bootstrap"} == {key: always[key] for key in always if key != "bootstrap"}
    for key, interval in always["bootstrap"]["intervals"].items():
        assert result["bootstrap"]["intervals"][key] == pytest.approx(interval, abs=1e-14)
    main(command)
    assert capsys.readouterr().out.count("skipped") == 2
    assert set(evaluate(fabricated, quiet=True, no_skip=True)["query"]) == set(result), "what was once asked for is made again"


def test_help_names_every_rule(capsys):
    with pytest.raises(SystemExit):
        main(["-h"])
    assert {*TIES, *DENOMINATORS} <= set(re.findall(r"\w+", capsys.readouterr().out))


def test_constant_bits_are_said(tiny_database, capsys):
    run = write_run(tiny_database)
    features = np.load(run.features_file("database"))
    features[:, [3, 7]] = 1
    np.save(run.features_file("database"), features)
    np.save(run.codes_file("database"), pack(features))
    write_predictions(run, 12, ("query", "database"))
    assert evaluate(run)["query"]["code_health"]["database"]["dead_bits"] == [3, 7]
    assert "query: bits that never change in the fold database: 3, 7" in capsys.readouterr().out


def test_codes_as_text_give_the_same_numbers(fabricated):
    want = evaluate(fabricated, quiet=True)["query"]
    for fold in ("query", "database"):
        features = np.load(fabricated.features_file(fold))
        np.savetxt(fabricated.hashes_file(fold), np.sign(features), fmt="%d", delimiter="\t")  # with a 0, which counts as +1
        fabricated.codes_file(fold).unlink()
    got = evaluate(fabricated, quiet=True)["query"]
    assert got["codes_sha256"] != want["codes_sha256"]
    assert {key: got[key] for key in got if key != "codes_sha256"} == {key: want[key] for key in want if key != "codes_sha256"}


def test_only_predicted_folds_are_measured(tiny_database):
    run = write_run(tiny_database, folds=("query", "database"))
    assert set(evaluate(run, quiet=True)) == {"query"}
    assert not run.evaluation_file("val").exists()


def test_the_table_states_protocol_ties_and_denominator(fabricated, capsys):
    evaluate(fabricated)
    said = capsys.readouterr().out
    for words in (
        "TINY, disjoint split",
        "95% intervals over queries (BCa bootstrap, 5,000 resamples)",
        "denominator: relevant items among the first k",
        "tie rule",
        "expected",
        "feature",
        "mAP@5000",
        "precision, radius 2  recall, radius 2  nonempty, radius 2  precision@100  precision@1000  nDCG@1000",
    ):
        assert words in said


def test_a_pattern_names_runs_and_their_data_set_is_read_once(tiny_database, monkeypatch, capsys):
    from biodeephashing.data import metadata

    runs = [write_run(tiny_database, seed=seed) for seed in (1, 2)]
    (runs[0].directory.parent / "not a run").mkdir()
    read = []
    monkeypatch.setattr(metadata, "read_metadata", lambda file, whole=metadata.read_metadata: read.append(file.name) or whole(file))
    main(["-p", str(runs[0].directory.parent / "*"), str(runs[1].directory), "-tracking", "off"])
    said = capsys.readouterr().out
    for number, run in enumerate(runs, start=1):
        assert f"[{number}/2] {run.directory}" in said
        assert run.evaluation_file("query").exists()
    assert sorted(read) == ["database_metadata.txt", "query_metadata.txt", "val_metadata.txt"]


def test_a_pattern_is_looked_for_below_the_project_too(fabricated, project_home, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    main(["-p", "models/*/TINY/*/-loss=DCH*", "-tracking", "off"])
    assert fabricated.evaluation_file("query").exists()


def test_a_root_whose_name_means_something_in_a_pattern(fabricated, project_home, tmp_path_factory, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    for name in ("a[1]b", "what?", "*"):
        (root := project_home.parent / f"{project_home.name}-roots" / name).mkdir(parents=True)
        for folder in ("data", "models"):
            shutil.copytree(project_home / folder, root / folder)
        monkeypatch.setenv(HOME_VARIABLE, str(root))
        for start in ("", f"{root}/"):
            main(["-p", f"{start}models/*/TINY/*/-loss=DCH*", "-tracking", "off"])
            assert capsys.readouterr().out.startswith(f"{fabricated.directory}\n"), (name, start)


def test_the_command_of_the_readme(fabricated, project_home, monkeypatch, capsys):
    import biodeephashing.eval.eval_map as script

    path = fabricated.directory.relative_to(project_home)
    command = [sys.executable, script.__file__, f"--path={path}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=project_home, check=False)
    assert done.returncode == 0, done.stderr
    assert "mAP@1000" in done.stdout
    monkeypatch.chdir(project_home)
    assert run_script(script.__file__, "-p", str(path), "-no_skip") == 0
    assert "mAP@1000" in capsys.readouterr().out
    assert run_script(script.__file__, "-p", str(path.with_name("-loss=DHC"))) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "there is no run directory" in said


def test_numbers_reach_mlflow(tracked_home: Path, tiny_database):
    from biodeephashing.tracking import tracked_runs

    run = write_run(tiny_database, tracking="on")
    result = evaluate(run, measures=[APSpec("best", radius=2, denominator="all")], plots=True, quiet=True)
    (tracked,) = tracked_runs(run.database, run.experiment)
    for fold in ("query", "val"):
        assert tracked.metrics[f"{fold}_mAP_expected"] == result[fold]["mAP_expected"]
        assert tracked.metrics[f"{fold}_mAP_index_at_1000"] == result[fold]["mAP_index_at_k=1000"]
        assert tracked.metrics[f"{fold}_nDCG_expected_at_1000"] == result[fold]["nDCG_expected_at_k=1000"]
        assert tracked.metrics[f"{fold}_precision_expected_at_100"] == result[fold]["precision_expected_at_k=100"]
        for name in ("precision", "recall", "nonempty"):
            assert tracked.metrics[f"{fold}_{name}_at_radius_2"] == result[fold][f"{name}_at_radius=2"]
        assert tracked.metrics[f"{fold}_mAP_best_at_radius_2_all"] == result[fold]["mAP_best_at_radius=2_all"]
    assert tracked.tags["split"].startswith("TINY, disjoint split")
    artifacts = {file.name for file in (tracked_home / "experiments").rglob("evaluation/*.*")}
    assert artifacts == {name for fold in ("query", "val") for name in result[fold]["pictures"]}
    assert (tracked.tags["phase"], tracked.tags["denominator"]) == ("evaluate", "retrieved")
