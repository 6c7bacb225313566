"""eval_map.py on fabricated run directories: numbers, keys, skipping, and every bad input."""

from __future__ import annotations

import errno
import json
import re
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from fabricated_runs import write_predictions, write_run

from biodeephashing.codes import binarise, hamming, pack
from biodeephashing.data.metadata import load_fold
from biodeephashing.errors import BioDeepHashingError, RunError, UsageError
from biodeephashing.eval import Measure, Pairs, average_precision_per_query, mean_average_precision, normalized_discounted_cumulative_gain
from biodeephashing.eval._bootstrap import mean_intervals
from biodeephashing.eval._health import code_health
from biodeephashing.eval.average_precision import DENOMINATORS, TIES
from biodeephashing.eval.eval_map import evaluate, main
from biodeephashing.runs import Run

CUTS = ["", "_at_k=1000", "_at_k=5000"]
FURTHER = {
    *("precision_at_radius=2", "recall_at_radius=2", "nonempty_at_radius=2"),
    *("precision_expected_at_k=100", "precision_expected_at_k=1000", "nDCG_expected_at_k=1000"),
}
KEYS = {
    *FURTHER,
    *("mAP" + cut for cut in CUTS),
    *(f"mAP_{ties}{cut}" for ties in ("expected", "index", "feature") for cut in CUTS),
    *("mAP_worst", "mAP_best", "tie_mode", "denominator", "empty"),
    *("hparams", "output_path", "datafold", "split", "checkpoint"),
    *("n_queries", "n_queries_without_relevant", "n_database", "bit_zero_count", "unique_codes", "code_health", "bootstrap"),
    *("codes_sha256", "features_sha256", "metadata_sha256", "pictures"),
}


def arrays_of(run: Run, fold: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    features = np.load(run.features_file(fold))
    return pack(features), load_fold(run.database, fold).labels, features


@pytest.mark.parametrize("fold", ["query", "val"])
def test_numbers_and_keys(fabricated, fold):
    result = evaluate(fabricated, quiet=True)[fold]
    assert json.loads(fabricated.evaluation_file(fold).read_text()) == result
    assert set(result) == KEYS
    (queries, query_labels, query_features), (database, labels, features) = arrays_of(fabricated, fold), arrays_of(fabricated, "database")
    for ties in ("expected", "index", "feature", "worst", "best"):
        want = mean_average_precision(
            queries, database, query_labels, labels, ties=ties, query_features=query_features, database_features=features
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
    want = normalized_discounted_cumulative_gain(queries, database, query_labels, labels)
    assert result["nDCG_expected_at_k=1000"] == pytest.approx(want, abs=1e-14)


def test_intervals_are_of_the_queries(fabricated):
    result = evaluate(fabricated, quiet=True)["query"]
    (queries, query_labels, _), (database, labels, _) = arrays_of(fabricated, "query"), arrays_of(fabricated, "database")
    measure = Measure("index", k=1000)
    values = average_precision_per_query(Pairs(queries, database, query_labels, labels), [measure])[measure].values
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
    for words in ("first 10", "distance 2", "the smaller of the items inside the cut and all relevant items (min)"):
        assert words in said
    result = json.loads(fabricated.evaluation_file("query").read_text())
    cuts = {"_at_k=5": {"k": 5}, "_at_k=10": {"k": 10}, "_at_radius=2": {"radius": 2}}
    assert set(result) - KEYS == {f"mAP_{ties}{cut}{end}" for ties in ("expected", "index") for cut in cuts for end in ("", "_min")}
    (queries, query_labels, _), (database, labels, _) = arrays_of(fabricated, "query"), arrays_of(fabricated, "database")
    for ties in ("expected", "index"):
        for name, cut in cuts.items():
            for denominator, end in (("retrieved", ""), ("min", "_min")):
                want = mean_average_precision(queries, database, query_labels, labels, ties=ties, denominator=denominator, **cut)
                assert result[f"mAP_{ties}{name}{end}"] == pytest.approx(want, abs=1e-15)
    assert {key: result[key] for key in always if key != "bootstrap"} == {key: always[key] for key in always if key != "bootstrap"}
    for key, interval in always["bootstrap"]["intervals"].items():
        assert result["bootstrap"]["intervals"][key] == pytest.approx(interval, abs=1e-14)
    main(command)
    assert capsys.readouterr().out.count("skipped") == 2
    assert set(evaluate(fabricated, quiet=True, no_skip=True)["query"]) == set(result), "what was once asked for is made again"


BY_FEATURE = {*("mAP" + cut for cut in CUTS), *(f"mAP_feature{cut}" for cut in CUTS), "tie_mode"}


def without_features(run: Run, *arguments: str) -> dict[str, dict]:
    main(["-p", str(run.directory), "-no_features", *arguments])
    return {fold: json.loads(run.evaluation_file(fold).read_text()) for fold in ("query", "val")}


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
    evaluate(fabricated, asked=[Measure("feature", radius=1)], quiet=True)
    for fold in ("query", "val", "database"):
        np.save(fabricated.features_file(fold), 2 * np.load(fabricated.features_file(fold)))
    write_predictions(fabricated, 12, ("query", "val", "database"))
    assert set(without_features(fabricated)["query"]) == KEYS - BY_FEATURE


def test_the_rule_feature_cannot_be_asked_for_without_features(fabricated):
    message = "the tie rule feature needs the features, and -no_features leaves them unread"
    with pytest.raises(UsageError, match=message):
        without_features(fabricated, "-ties", "expected", "feature", "-radius", "2")
    with pytest.raises(UsageError, match=message):
        evaluate(fabricated, asked=[Measure("feature", radius=2)], no_features=True, quiet=True)
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
        (lambda run: damage_content(run), "query-codes.npy was changed after it was predicted"),
        (damage_text_of_others, "query-hashes.tsv was changed after it was predicted"),
        (lambda run: damage_metadata_version(run), "another version of the data set"),
        (lambda run: damage_checkpoint(run), "made with another checkpoint"),
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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-ties", "expcted"], "unknown tie rule 'expcted': did you mean 'expected'"),
        (["-denominator", "retreived"], "unknown denominator 'retreived': did you mean 'retrieved'"),
        (["-k", "0"], "k=0 is not possible: it must be a whole number of at least 1"),
        (["-k", "1e3"], "-k/--k: '1e3' is not a whole number"),
        (["-radius", "-1"], "-radius/--radius: '-1' is not a whole number"),
        (["-ties", "worst", "-k", "5"], "worst is no bound.* add -denominator min"),
        (["-radios", "2"], "did you mean -radius"),
    ],
)
def test_what_cannot_be_asked_for(fabricated, arguments, message):
    with pytest.raises(UsageError, match=message):
        main(["-p", str(fabricated.directory), *arguments])
    assert not fabricated.evaluation_file("query").exists()


def test_help_is_quick_and_names_every_rule():
    import biodeephashing.eval.eval_map as script

    tell = f"import runpy, sys; sys.argv = ['eval_map.py', '-h']; runpy.run_path({script.__file__!r}, run_name='__main__')"
    watch = f"import atexit, sys; atexit.register(lambda: print('heavy:', {{'numpy', 'scipy', 'torch'}} & sys.modules.keys())); {tell}"
    done = subprocess.run([sys.executable, "-c", watch], capture_output=True, text=True, check=True)
    assert "heavy: set()" in done.stdout
    words = set(re.findall(r"\w+", done.stdout))
    assert {*TIES, *DENOMINATORS} <= words


def test_constant_bits_are_said(tiny_database, capsys):
    run = write_run(tiny_database)
    features = np.load(run.features_file("database"))
    features[:, [3, 7]] = 1
    np.save(run.features_file("database"), features)
    np.save(run.codes_file("database"), pack(features))
    write_predictions(run, 12, ("query", "database"))
    assert evaluate(run)["query"]["code_health"]["database"]["dead_bits"] == [3, 7]
    assert "query: 2 of the bits never change in the fold database: 3, 7" in capsys.readouterr().out


def test_codes_as_text_give_the_same_numbers(fabricated):
    want = evaluate(fabricated, quiet=True)["query"]
    for fold in ("query", "database"):
        features = np.load(fabricated.features_file(fold))
        np.savetxt(fabricated.hashes_file(fold), np.sign(features), fmt="%d", delimiter="\t")  # with a 0, which counts as +1
        fabricated.codes_file(fold).unlink()
    got = evaluate(fabricated, quiet=True)["query"]
    assert got["codes_sha256"] != want["codes_sha256"]
    assert {key: got[key] for key in got if key != "codes_sha256"} == {key: want[key] for key in want if key != "codes_sha256"}


def test_a_second_time_is_skipped_and_says_why(fabricated, capsys):
    first = evaluate(fabricated)
    before = {fold: fabricated.evaluation_file(fold).stat().st_mtime_ns for fold in first}
    capsys.readouterr()
    assert evaluate(fabricated) == first
    said = capsys.readouterr().out
    assert said.count("skipped:") == 2
    assert "same codes and metadata" in said
    assert {fold: fabricated.evaluation_file(fold).stat().st_mtime_ns for fold in first} == before
    evaluate(fabricated, no_skip=True)
    assert {fold: fabricated.evaluation_file(fold).stat().st_mtime_ns for fold in first} != before


def test_other_codes_are_measured_again(fabricated, capsys):
    first = evaluate(fabricated)["query"]
    features = -np.load(fabricated.features_file("query"))
    np.save(fabricated.features_file("query"), features)
    np.save(fabricated.codes_file("query"), pack(features))
    write_predictions(fabricated, 12, ("val", "query", "database"))
    capsys.readouterr()
    second = evaluate(fabricated)["query"]
    assert second["mAP"] != first["mAP"]
    assert capsys.readouterr().out.count("skipped:") == 1  # val only


@pytest.mark.parametrize("content", ["{", "[]", '{"mAP": 1.0}', '{"mAP_expected_at_k=0": 1.0}'])
def test_a_damaged_or_older_result_is_made_again(fabricated, content):
    want = evaluate(fabricated, quiet=True)["query"]
    fabricated.evaluation_file("query").write_text(content)
    assert evaluate(fabricated, quiet=True)["query"] == want
    assert json.loads(fabricated.evaluation_file("query").read_text()) == want


def test_only_predicted_folds_are_measured(tiny_database):
    run = write_run(tiny_database, folds=("query", "database"))
    assert set(evaluate(run, quiet=True)) == {"query"}
    assert not run.evaluation_file("val").exists()


def test_the_table_states_protocol_ties_and_divisor(fabricated, capsys):
    evaluate(fabricated)
    said = capsys.readouterr().out
    for words in (
        "TINY, disjoint split",
        "95% intervals over queries (BCa bootstrap, 5,000 resamples)",
        "divisor: relevant items among the first k",
        "tie rule",
        "expected",
        "feature",
        "mAP@5000",
        "precision, radius 2  recall, radius 2  nonempty, radius 2  precision@100  precision@1000  nDCG@1000",
    ):
        assert words in said


def damage_codes_width(run: Run) -> None:
    np.save(run.codes_file("query"), np.zeros((16, 3), dtype=np.uint8))


def damage_codes_type(run: Run) -> None:
    np.save(run.codes_file("query"), np.zeros((16, 2), dtype=np.int8))


def damage_rows(run: Run) -> None:
    features = np.load(run.features_file("query"))[:5]
    np.save(run.features_file("query"), features)
    np.save(run.codes_file("query"), pack(features))
    write_predictions(run, 12, ("query", "database"))


def damage_nan(run: Run) -> None:
    features = np.load(run.features_file("database"))
    features[7, 3] = np.nan
    np.save(run.features_file("database"), features)
    write_predictions(run, 12, ("query", "database"))


def damage_truncated(run: Run) -> None:
    file = run.codes_file("database")
    file.write_bytes(file.read_bytes()[:-20])


def damage_empty(run: Run) -> None:
    run.features_file("database").write_bytes(b"")


def damage_pickle(run: Run) -> None:
    np.save(run.features_file("database"), np.array([{}], dtype=object), allow_pickle=True)


def damage_content(run: Run) -> None:
    codes = np.load(run.codes_file("query"))
    np.save(run.codes_file("query"), codes[::-1])


def damage_features_codes(run: Run) -> None:
    damage_content(run)
    write_predictions(run, 12, ("query", "database"))


def damage_features_rows(run: Run) -> None:
    np.save(run.features_file("query"), np.load(run.features_file("query"))[:5])


def damage_text(run: Run) -> None:
    run.codes_file("query").unlink()
    run.hashes_file("query").write_text("1\t-1\n1\t2x\n")


def damage_text_ragged(run: Run) -> None:
    run.codes_file("query").unlink()
    run.hashes_file("query").write_text("1\t-1\n1\n")


def damage_text_values(run: Run) -> None:
    run.codes_file("query").unlink()
    np.savetxt(run.hashes_file("query"), np.full((16, 12), 5), fmt="%d", delimiter="\t")


def damage_text_width(run: Run) -> None:
    run.codes_file("query").unlink()
    np.savetxt(run.hashes_file("query"), np.ones((16, 11)), fmt="%d", delimiter="\t")


def damage_predictions(run: Run) -> None:
    (run.directory / "predictions.json").write_text('{"bits": 12}')


def damage_checkpoint(run: Run) -> None:
    (run.directory / "best-epoch=3.ckpt").write_bytes(b"other weights")


def damage_metadata_version(run: Run) -> None:
    file = run.directory / "predictions.json"
    content = json.loads(file.read_text())
    content["folds"]["query"]["metadata_sha256"] = "0" * 64
    file.write_text(json.dumps(content))


def forget_database(run: Run) -> None:
    write_predictions(run, 12, ("query",))


def damage_text_empty(run: Run) -> None:
    run.codes_file("query").unlink()
    run.hashes_file("query").write_text("")


def empty_predictions(run: Run) -> None:
    (run.directory / "predictions.json").write_text("{}")


def remove_query_files(run: Run) -> None:
    run.codes_file("query").unlink()
    run.features_file("query").unlink()


def forget_queries(run: Run) -> None:
    write_predictions(run, 12, ("train", "database"))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_codes_width, r"query-codes.npy holds uint8 \(16, 3\), but uint8 \(16, 2\)"),
        (damage_codes_type, r"query-codes.npy holds int8 \(16, 2\)"),
        (damage_rows, r"query-codes.npy holds uint8 \(5, 2\), but uint8 \(16, 2\)"),
        (damage_features_rows, r"query-features.npy holds float32 \(5, 12\), but float32 \(16, 12\)"),
        (damage_nan, r"row 7 of .*database-features.npy \(32, 12\) holds NaN"),
        (damage_truncated, "database-codes.npy is truncated"),
        (damage_empty, "database-features.npy is truncated"),
        (damage_pickle, "database-features.npy is truncated or not an array"),
        (damage_content, "query-codes.npy was changed after it was predicted"),
        (damage_features_codes, "query-codes.npy does not hold the signs of query-features.npy"),
        (damage_text, "query-hashes.tsv is not a table"),
        (damage_text_ragged, "is not a table of -1, 0 and 1: the number of columns changed from 2 to 1 at row 2$"),
        (damage_text_values, "query-hashes.tsv holds values other"),
        (damage_text_width, r"query-hashes.tsv holds \(16, 11\), but \(16, 12\)"),
        (damage_text_empty, r"query-hashes.tsv holds \(0, 1\), but \(16, 12\)"),
        (damage_predictions, "predictions.json is damaged"),
        (empty_predictions, r"predictions.json is damaged \(it says nothing of 'checkpoint'\)"),
        (remove_query_files, "query-codes.npy is missing: run predict.py"),
        (damage_checkpoint, "made with another checkpoint"),
        (damage_metadata_version, "another version of the data set"),
        (forget_database, "the fold database .* has no codes"),
        (forget_queries, "query or val is needed"),
        (
            lambda run: run.features_file("val").unlink(),
            "val-features.npy is missing, .* feature needs it: .* -no_features measures the rest",
        ),
        (lambda run: run.codes_file("query").unlink(), "query-codes.npy is missing"),
        (lambda run: (run.directory / "predictions.json").unlink(), "no predictions.json"),
        (lambda run: (run.directory / "best-epoch=3.ckpt").unlink(), "train it first"),
        (lambda run: run.hparams_file.unlink(), "hparams.json is missing"),
    ],
)
def test_bad_input_is_said_and_leaves_results_alone(fabricated, damage, message):
    evaluate(fabricated, quiet=True)
    before = {file: file.read_bytes() for file in fabricated.evaluation.iterdir()}
    damage(fabricated)
    with pytest.raises(RunError, match=message):
        evaluate(fabricated, quiet=True, no_skip=True)
    assert {file: file.read_bytes() for file in fabricated.evaluation.iterdir()} == before


def test_a_changed_data_set_is_refused(fabricated, project_home):
    file = project_home / "data" / "processed" / "TINY" / "query_metadata.txt"
    file.write_text(file.read_text().replace("1 0 0 0", "0 1 0 0"))
    with pytest.raises(BioDeepHashingError, match="changed after the data set was prepared"):
        evaluate(fabricated, quiet=True)


def test_several_runs_and_one_that_fails(tiny_database, capsys):
    good, bad = write_run(tiny_database, seed=1), write_run(tiny_database, seed=2)
    bad.codes_file("query").unlink()
    with pytest.raises(RunError, match="1 of 2"):
        main(["-p", str(bad.directory), str(good.directory)])
    assert "query-codes.npy is missing" in capsys.readouterr().err
    assert good.evaluation_file("query").exists()


def pictures_of(run: Run) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in run.evaluation.iterdir() if file.suffix != ".json"}


def test_pictures_are_drawn_when_asked_for_and_go_with_the_numbers(fabricated, capsys):
    numbers = evaluate(fabricated, quiet=True)
    assert pictures_of(fabricated) == {}
    main(["-p", str(fabricated.directory), "-make_plots"])
    assert f"pictures and their numbers: {fabricated.evaluation}" in capsys.readouterr().out
    first = pictures_of(fabricated)
    names = ("precision_recall.png", "precision_at_n.png", "distances.png", "bits.png", "nearest.png")
    tables = ("radius.csv", "depth.csv", "bits.csv", "bit_correlation.csv", "nearest.csv")
    assert set(first) == {f"{fold}-{name}" for fold in ("query", "val") for name in (*names, *tables)}
    result = json.loads(fabricated.evaluation_file("query").read_text())
    assert set(result["pictures"]) == {name for name in first if name.startswith("query")}
    assert {key: result[key] for key in result if key != "pictures"} == {
        key: numbers["query"][key] for key in numbers["query"] if key != "pictures"
    }
    main(["-p", str(fabricated.directory), "-make_plots"])
    assert capsys.readouterr().out.count("skipped") == 2
    (fabricated.evaluation / "val-radius.csv").unlink()
    evaluate(fabricated)
    assert capsys.readouterr().out.count("skipped") == 1, "a picture that is gone is drawn again"
    assert pictures_of(fabricated) == first
    features = -np.load(fabricated.features_file("query"))
    np.save(fabricated.features_file("query"), features)
    np.save(fabricated.codes_file("query"), pack(features))
    write_predictions(fabricated, 12, ("val", "query", "database"))
    evaluate(fabricated, quiet=True)
    second = pictures_of(fabricated)
    assert {name for name in first if first[name] != second[name]} > {f"query-{name}" for name in ("radius.csv", "distances.png")}
    assert {name for name in first if first[name] != second[name]} <= {name for name in first if name.startswith("query")}


def test_pictures_of_other_codes_do_not_stay(fabricated):
    evaluate(fabricated, plots=True, quiet=True)
    for fold in ("query", "val"):
        fabricated.evaluation_file(fold).write_text("{")  # what was drawn is not known any more
    evaluate(fabricated, quiet=True)
    assert pictures_of(fabricated) == {}


@pytest.mark.parametrize("last", ["val-nearest.png", "val-prediction_mAP.json"])
def test_a_disk_that_is_full_costs_no_earlier_result(fabricated, monkeypatch, last):
    """Codes change, and of the new files the last one finds no place."""
    evaluate(fabricated, plots=True, quiet=True)
    before = {file: file.read_bytes() for file in fabricated.evaluation.iterdir()}
    np.save(fabricated.features_file("database"), -np.load(fabricated.features_file("database")))
    np.save(fabricated.codes_file("database"), pack(np.load(fabricated.features_file("database"))))
    write_predictions(fabricated, 12, ("val", "query", "database"))

    replace = Path.replace

    def full(temporary, target):
        if Path(target).name == last:
            raise OSError(errno.ENOSPC, "No space left on device")
        return replace(temporary, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)  # whatever is written gets its name when it is whole
        with pytest.raises(OSError, match="No space left"):
            evaluate(fabricated, quiet=True)
    assert {file: file.read_bytes() for file in fabricated.evaluation.iterdir()} == before


def test_a_device_that_cannot_be_used(fabricated):
    with pytest.raises(UsageError, match="cuad"):
        main(["-p", str(fabricated.directory), "-device", "cuad"])
    assert not fabricated.evaluation_file("query").exists()


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


def test_a_pattern_without_runs_is_refused(fabricated):
    with pytest.raises(RunError, match=r"no run directory matches .*-loss=DHC"):
        main(["-p", str(fabricated.directory.with_name("-loss=DHC*"))])


def test_the_command_of_the_readme(fabricated, project_home):
    import biodeephashing.eval.eval_map as script

    path = fabricated.directory.relative_to(project_home)
    for arguments in ([f"--path={path}"], ["-p", str(path), "-no_skip"]):
        done = subprocess.run([sys.executable, script.__file__, *arguments], capture_output=True, text=True, cwd=project_home, check=False)
        assert done.returncode == 0, done.stderr
        assert "mAP@1000" in done.stdout
    wrong = [sys.executable, script.__file__, "-p", str(path.with_name("-loss=DHC"))]
    done = subprocess.run(wrong, capture_output=True, text=True, cwd=project_home, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "there is no run directory" in done.stderr


def test_numbers_reach_mlflow(tracked_home: Path, tiny_database):
    from biodeephashing.tracking import finished_runs

    run = write_run(tiny_database, tracking="on")
    result = evaluate(run, asked=[Measure("best", radius=2, denominator="all")], plots=True, quiet=True)
    (tracked,) = finished_runs(run.database, run.experiment)
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


def test_numbers_that_are_left_out_are_taken_back_from_mlflow(tracked_home: Path, tiny_database):
    from biodeephashing.tracking import finished_runs

    run = write_run(tiny_database, tracking="on")
    evaluate(run, quiet=True)
    result = evaluate(run, no_features=True, no_skip=True, quiet=True)
    (tracked,) = finished_runs(run.database, run.experiment)
    assert tracked.metrics["query_mAP_index"] == result["query"]["mAP_index"]
    assert not [name for name in tracked.metrics if "feature" in name]


def test_nothing_is_written_when_the_store_cannot_be_reached(fabricated, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    with pytest.raises(BioDeepHashingError, match="cannot be reached"):
        evaluate(fabricated, quiet=True, tracking=True)
    assert not fabricated.evaluation_file("query").exists()
