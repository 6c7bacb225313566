"""eval_map.py: every bad input is said, and leaves results alone."""

from __future__ import annotations

import numpy as np
import pytest
from evaluation_cases import (
    damage_checkpoint,
    damage_content,
    damage_metadata_version,
)
from fabricated_runs import write_predictions, write_run

from biodeephashing.codes import pack
from biodeephashing.commands.evaluate import evaluate
from biodeephashing.errors import BioDeepHashingError, RunError, UsageError
from biodeephashing.eval.eval_map import main
from biodeephashing.runs import Run


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


def damage_archive(run: Run) -> None:
    with run.codes_file("query").open("wb") as stream:
        np.savez(stream, codes=np.zeros((16, 2), dtype=np.uint8))


def damage_noise(run: Run) -> None:
    run.codes_file("query").write_bytes(bytes(range(128, 256)))


def damage_folds(run: Run) -> None:
    (run.directory / "predictions.json").write_text(
        '{"checkpoint": "best-epoch=3.ckpt", "checkpoint_sha256": "", "bits": 12, "folds": {"query": 5}}'
    )


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
        (damage_pickle, "database-features.npy is truncated or not a plain array"),
        (damage_archive, "query-codes.npy is truncated or not a plain array .*: predict the run"),
        (damage_noise, r"query-codes.npy is truncated or not a plain array (?!.*allow_pickle).*: predict the run"),
        (damage_content, "query-codes.npy was changed after it was predicted"),
        (damage_features_codes, "query-codes.npy does not hold the signs of query-features.npy"),
        (damage_text, "query-hashes.tsv is not a table"),
        (damage_text_ragged, "is not a table of -1, 0 and 1: the number of columns changed from 2 to 1 at row 2$"),
        (damage_text_values, "query-hashes.tsv holds values other"),
        (damage_text_width, r"query-hashes.tsv holds \(16, 11\), but \(16, 12\)"),
        (damage_text_empty, r"query-hashes.tsv holds \(0, 1\), but \(16, 12\)"),
        (damage_predictions, "predictions.json is damaged"),
        (lambda run: (run.directory / "predictions.json").write_text("{"), "predictions.json is damaged: .*: predict the run"),
        (damage_folds, r"predictions.json is damaged \(.*\): predict the run"),
        (empty_predictions, r"predictions.json is damaged \('checkpoint' is missing\)"),
        (remove_query_files, "query-codes.npy is missing: predict the run"),
        (damage_checkpoint, "made with another checkpoint"),
        (damage_metadata_version, "another version of the dataset"),
        (forget_database, "the fold database .* has no codes"),
        (forget_queries, "query or val is needed"),
        (
            lambda run: run.features_file("val").unlink(),
            "val-features.npy is missing, .* feature needs it: .* -no_features measures the rest",
        ),
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
    with pytest.raises(BioDeepHashingError, match="changed after the dataset was prepared"):
        evaluate(fabricated, quiet=True)


def test_several_runs_and_one_that_fails(tiny_database, capsys):
    good, bad = write_run(tiny_database, seed=1), write_run(tiny_database, seed=2)
    bad.codes_file("query").unlink()
    with pytest.raises(RunError, match="1 of 2"):
        main(["-p", str(bad.directory), str(good.directory)])
    assert "query-codes.npy is missing" in capsys.readouterr().err
    assert good.evaluation_file("query").exists()


def test_every_device_is_the_cpu(fabricated, capsys):
    main(["-p", str(fabricated.directory), "-device", "cuda:1"])
    assert "-device cuda:1: evaluation uses the CPU" in capsys.readouterr().out
    assert fabricated.evaluation_file("query").exists()


def test_a_cut_beyond_every_machine_word_is_the_whole_ranking(fabricated):
    main(["-p", str(fabricated.directory), "-k", str(10**23), "-ties", "expected", "index", "feature"])
    found = evaluate(fabricated, quiet=True)["query"]
    for ties in ("expected", "index", "feature"):
        assert found[f"mAP_{ties}_at_k={10**23}"] == found[f"mAP_{ties}"]


def test_a_pattern_without_runs_is_refused(fabricated):
    with pytest.raises(RunError, match=r"no run matches .*-loss=DHC"):
        main(["-p", str(fabricated.directory.with_name("-loss=DHC*"))])


def test_nothing_is_written_when_the_store_cannot_be_reached(fabricated, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    with pytest.raises(BioDeepHashingError, match="cannot be reached"):
        evaluate(fabricated, quiet=True, tracking=True)
    assert not fabricated.evaluation_file("query").exists()
