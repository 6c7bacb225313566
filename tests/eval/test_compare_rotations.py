"""Rotated runs beside their parents: what MLflow knows of them, and the table of before and after."""

from __future__ import annotations

import json
import statistics
from dataclasses import replace

import pytest
from rotated_parents import finish
from scipy.stats import ttest_rel

from biodeephashing.commands.compare import compare
from biodeephashing.commands.evaluate import evaluate
from biodeephashing.commands.rotate import rotate
from biodeephashing.eval.comparison.rotations import RotatedRun, rotation_table
from biodeephashing.models import H2Q, ITQ
from biodeephashing.models.PenaltyStrategies import Settings
from biodeephashing.tracking import tracked_runs


def one(rotation, rule, seed, before, after, **settings):
    return RotatedRun(
        {"model": "H2Q", **rotation},
        {"loss": "DSH", "architecture": "lenet", "number_of_bits": "16", **settings},
        rule,
        seed,
        before,
        after,
    )


def test_a_row_per_settings_rule_and_rotation():
    l2, l1 = {"rotation_loss": "L2"}, {"rotation_loss": "L1"}
    runs = [
        *(one(l2, "fa", seed, *values) for seed, values in enumerate([(0.5, 0.6), (0.7, 0.75), (0.6, 0.8)])),
        one(l2, "fa", 0, 0.1, 0.1),  # older, alike in all but the metric
        one(l1, "bp", 0, 0.9, 0.8),
        one(l2, "fa", 0, 0.2, 0.4, no_cube="True"),
    ]
    runs = [replace(run, settings={"no_cube": "False"} | run.settings) for run in runs]
    header, rows = rotation_table(runs, "m")
    assert header == ["settings", "rule", "rotation", "seeds", "m before", "after", "difference", "p (Holm)"]
    rows = {(*row[:3],): row[3:] for row in rows}
    assert rows["DSH, lenet, 16 bits, no cube False", "bp", "H2Q loss=L1"] == [
        "1",
        "0.9000",
        "0.8000",
        "-0.1000 (interval needs 2 seeds)",
        "-",
    ]
    assert rows["DSH, lenet, 16 bits, no cube True", "fa", "H2Q loss=L2"][1:3] == ["0.2000", "0.4000"]
    seeds, before, after, difference, p = rows["DSH, lenet, 16 bits, no cube False", "fa", "H2Q loss=L2"]
    assert (seeds, before, after) == ("3", "0.6000 ± 0.1000", f"{statistics.fmean([0.6, 0.75, 0.8]):.4f} ± 0.1041")
    test = ttest_rel([0.6, 0.75, 0.8], [0.5, 0.7, 0.6])
    low, high = test.confidence_interval(0.95)
    assert difference == f"+0.1167 [{low:+.4f}, {high:+.4f}]"
    assert p == f"{test.pvalue:.4f}"
    assert len(rows) == 3


def test_compare_shows_rotations_beside_their_parents(tiny_database, tracked_home, unrendered, capsys):
    scores = {}
    for seed in (0, 1):
        settings = Settings(
            experiment_name="test", database=tiny_database, loss="DSH", number_of_bits=12, transformations="none",
            architecture="bio-lenet", mode="fa", num_workers=0, device="cpu", tracking="off", no_cube=True, penalty=0.0, seed=seed,
        )  # fmt: skip
        before = evaluate(finish(settings), tracking=True, quiet=True)["query"]["mAP_expected"]
        for table, own in ((H2Q.Settings, {"rotation_epochs": 2}), (ITQ.Settings, {"rotation_center": True})):
            run = rotate(table.rotating(settings, tracking="on", **own), quiet=True)
            scores.setdefault(table.method, []).append((before, evaluate(run, quiet=True)["query"]["mAP_expected"]))
    (tracked,) = [known for known in tracked_runs(tiny_database, "test") if known.name == run.name]
    record = json.loads(run.rotation_file.read_text())
    assert tracked.metrics["parent_val_mAP"] == record["val_mAP"]["before"]
    assert tracked.metrics["best_val_mAP"] == record["val_mAP"]["after"]
    assert tracked.metrics["rotation_objective"] == pytest.approx(min(record["objectives"]))
    assert tracked.settings["parent"] == json.loads(run.hparams_file.read_text())["parent"]
    assert tracked.status == "FINISHED"
    capsys.readouterr()
    folder = compare(tiny_database, "test")
    assert folder.parts[-3] == "comparison"
    text, printed = (folder / "comparison-rotations.md").read_text("utf-8"), capsys.readouterr().out
    assert "query by query" in printed
    rows = {cells[2]: cells for cells in ([cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()[6:])}
    for method, pairs in scores.items():
        assert rows[method][:4] == ["DSH, lenet, 12 bits", "fa", method, "2"]
        assert rows[method][4].startswith(f"{statistics.fmean(before for before, _ in pairs):.4f} ± ")
        assert rows[method][6].startswith(f"{statistics.fmean(after - before for before, after in pairs):+.4f} [")
