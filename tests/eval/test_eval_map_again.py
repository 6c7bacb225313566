"""eval_map.py a second time: what is skipped, what is made again, and figures that go with the metrics."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import numpy as np
import pytest
from evaluation_cases import figures_of
from fabricated_runs import write_predictions

from biodeephashing.codes import pack
from biodeephashing.commands.evaluate import evaluate
from biodeephashing.eval.eval_map import main


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


@pytest.mark.slow
def test_figures_are_drawn_when_asked_for_and_go_with_the_metrics(fabricated, capsys):
    numbers = evaluate(fabricated, quiet=True)
    assert figures_of(fabricated) == {}
    main(["-p", str(fabricated.directory), "-make_plots"])
    assert f"figures and their values: {fabricated.evaluation}" in capsys.readouterr().out
    first = figures_of(fabricated)
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
    assert capsys.readouterr().out.count("skipped") == 1, "a figure that is gone is drawn again"
    assert figures_of(fabricated) == first
    features = -np.load(fabricated.features_file("query"))
    np.save(fabricated.features_file("query"), features)
    np.save(fabricated.codes_file("query"), pack(features))
    write_predictions(fabricated, 12, ("val", "query", "database"))
    evaluate(fabricated, quiet=True)
    second = figures_of(fabricated)
    assert {name for name in first if first[name] != second[name]} > {f"query-{name}" for name in ("radius.csv", "distances.png")}
    assert {name for name in first if first[name] != second[name]} <= {name for name in first if name.startswith("query")}


@pytest.mark.usefixtures("unrendered")
def test_figures_of_other_codes_do_not_stay(fabricated):
    evaluate(fabricated, plots=True, quiet=True)
    for fold in ("query", "val"):
        fabricated.evaluation_file(fold).write_text("{")  # what was drawn is not known any more
    evaluate(fabricated, quiet=True)
    assert figures_of(fabricated) == {}


@pytest.mark.usefixtures("unrendered")
def test_a_disk_that_is_full_costs_no_earlier_result(fabricated, monkeypatch):
    """Codes change, and of the new files one of the last finds no place."""
    evaluate(fabricated, plots=True, quiet=True)
    before = {file: file.read_bytes() for file in fabricated.evaluation.iterdir()}
    np.save(fabricated.features_file("database"), -np.load(fabricated.features_file("database")))
    np.save(fabricated.codes_file("database"), pack(np.load(fabricated.features_file("database"))))
    write_predictions(fabricated, 12, ("val", "query", "database"))

    replace = Path.replace

    for last in ("val-nearest.png", "val-prediction_mAP.json"):

        def full(temporary, target, last=last):
            if Path(target).name == last:
                raise OSError(errno.ENOSPC, "No space left on device")
            return replace(temporary, target)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", full)  # whatever is written gets its name when it is whole
            with pytest.raises(OSError, match="No space left"):
                evaluate(fabricated, quiet=True)
        assert {file: file.read_bytes() for file in fabricated.evaluation.iterdir()} == before, last
