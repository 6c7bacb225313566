"""A method without training, checkpoint, rule, loss and network: all that follows after training works for its runs, too."""

from __future__ import annotations

import json

import numpy as np
import pytest
from fabricated_methods import Projections, coded_run, install
from fabricated_runs import write_run

from biodeephashing.checksums import digest
from biodeephashing.cli import main
from biodeephashing.commands.compare import compare, compare_runs
from biodeephashing.commands.evaluate import evaluate
from biodeephashing.errors import RunError
from biodeephashing.eval import APSpec, RetrievalTask, mean_average_precision
from biodeephashing.eval.eval_map import main as eval_map
from biodeephashing.runs import known_runs
from biodeephashing.tracking import tracked_runs


@pytest.fixture
def lsh(monkeypatch) -> Projections:
    install(monkeypatch, "LSH", method := Projections([""]))
    return method


def test_codes_are_written_once_and_again_when_the_fingerprint_changes(lsh, tiny_database, capsys):
    run = coded_run(lsh, "LSH", tiny_database)
    written = json.loads(run.predictions_file.read_text())
    assert [*written] == ["fingerprint", "bits", "folds"]
    assert written["fingerprint"] == lsh.fingerprint(run, None).sha256
    assert [*written["folds"]["val"]] == ["rows", "zeros", "metadata_sha256", "features_sha256", "codes_sha256"]
    assert written["folds"]["val"]["codes_sha256"] == digest(run.codes_file("val"))
    assert json.loads(run.hparams_file.read_text())["datafolds"] == ["train", "val", "query", "database"]
    capsys.readouterr()
    coded_run(lsh, "LSH", tiny_database)
    assert capsys.readouterr().out.count("skipped: ") == 4
    lsh.version = "2"
    coded_run(lsh, "LSH", tiny_database)
    assert "skipped" not in capsys.readouterr().out


def test_evaluation_list_and_tracking(lsh, tiny_database, tracked_home, capsys):
    run = coded_run(lsh, "LSH", tiny_database, tracking="on")
    eval_map(["-p", str(run.directory)])
    result = json.loads(run.evaluation_file("query").read_text())
    arrays = [np.load(run.codes_file(fold)) for fold in ("query", "database")]
    labels = [np.repeat(np.eye(4, dtype=np.uint8)[None], per_class, 0).reshape(-1, 4) for per_class in (4, 8)]  # in turn
    assert result["mAP_expected"] == pytest.approx(mean_average_precision(RetrievalTask(*arrays, *labels), APSpec()), abs=1e-14)
    assert result["checkpoint"] is None
    assert result["hparams"] == json.loads(run.hparams_file.read_text())
    assert run.evaluation.parts[-4] == "LSH"
    (tracked,) = tracked_runs(tiny_database, "trial")
    assert tracked.metrics["query_mAP_expected"] == result["mAP_expected"]
    assert {"number_of_bits", "seed", "model"} <= tracked.settings.keys()
    assert not {"mode", "loss", "architecture"} & tracked.settings.keys()
    assert (tracked.tags["bits"], tracked.tags["seed"], tracked.tags.get("mode")) == ("12", "0", None)
    capsys.readouterr()
    main(["list"])
    row = capsys.readouterr().out.splitlines()[2].split()
    assert row[:8] == [f"{tiny_database}/trial", "LSH", "-", "12", "-", "0", "finished", f"{result['mAP_expected']:.4f}"]
    evaluate(run)
    assert capsys.readouterr().out.count("skipped: ") == 2


def test_a_copied_run_is_noticed(lsh, tiny_database):
    run = coded_run(lsh, "LSH", tiny_database)
    run.directory.parent.rename(run.directory.parent.with_name("copy"))
    with pytest.raises(RunError, match=r"describes another run \(LSH/TINY/trial/-nbits=12-seed=0\)"):
        eval_map(["-p", str(run.directory.parents[1] / "copy" / run.name)])


def test_a_training_that_fails_is_marked(lsh, tiny_database, monkeypatch):
    monkeypatch.setattr("biodeephashing.training.status.record_split", lambda run: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        coded_run(lsh, "LSH", tiny_database)
    assert [run.status for run in known_runs()] == ["interrupted"]


@pytest.mark.usefixtures("unrendered")
def test_beside_runs_that_were_trained(lsh, tiny_database, tracked_home, capsys):
    runs = [
        *(coded_run(lsh, "LSH", tiny_database, seed=seed, tracking="on") for seed in (0, 1)),
        *(write_run(tiny_database, experiment_name="trial", mode=mode, tracking="on") for mode in ("bp", "fa")),
    ]
    results = {run: evaluate(run, quiet=True)["query"] for run in runs}
    folder = compare(tiny_database, "trial")
    assert folder == tracked_home / "eval" / "comparison" / tiny_database / "trial"
    said = capsys.readouterr().out
    mean = np.mean([results[run]["mAP_expected"] for run in runs[:2]])
    assert any(line.split()[:4] == ["LSH", "—", "2", f"{mean:.4f}"] for line in said.splitlines())
    assert any(line.split()[:4] == ["PenaltyStrategies", "DCH,", "lenet", "bp"] for line in said.splitlines())
    paired = compare_runs([str(runs[0].directory), str(runs[2].directory)])
    assert paired.difference.value == pytest.approx(results[runs[0]]["mAP_expected"] - results[runs[2]]["mAP_expected"], abs=1e-14)
