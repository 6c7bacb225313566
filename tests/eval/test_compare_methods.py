"""compare.py where an experiment has runs of several methods."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image
from tracked_runs import SPLIT, track, track_untrained

from biodeephashing.commands.compare import compare

VALUES = {("PenaltyStrategies", "bp"): 0.9, ("PenaltyStrategies", "fa"): 0.7, ("SH", "—"): 0.8, ("LSH", "—"): 0.3}


def value_of(method: str, rule: str, bits: int, seed: int) -> float:
    return VALUES[method, rule] + 0.001 * bits + 0.02 * seed


@pytest.fixture
def study(tracked_home):
    for method, rule in VALUES:
        for bits in (16, 8):
            for seed in (0, 1) if method != "SH" else (0,):
                value = value_of(method, rule, bits, seed)
                if method == "PenaltyStrategies":
                    track(rule, seed, value=value, number_of_bits=bits)
                else:
                    track_untrained(method, bits, seed, value, **({"iterations": "50"} if method == "SH" else {}))
    return tracked_home / "eval" / "comparison" / "TINY" / "trial"


def rows_below(heading: str, lines: list[str]) -> list[list[str]]:
    """Return the cells of the Markdown table below a line."""
    start = lines.index(heading)
    first = next(number for number, line in enumerate(lines[start:], start) if line.startswith("|"))
    table = [line for line in lines[first : first + 9] if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in (table[0], *table[2:])]


def test_files_tables_and_figures(study):
    assert compare("TINY", "trial", quiet=True) == study
    assert not (study.parents[2] / "PenaltyStrategies").exists()
    lines = (study / "comparison.md").read_text("utf-8").splitlines()
    assert lines[0] == "# TINY / trial: methods compared"
    header, *rows = rows_below("query_mAP_expected, best settings first:", lines)
    assert header == ["method", "settings", "rule", "8 bits", "16 bits"]
    assert [row[:3] for row in rows] == [
        ["PenaltyStrategies", "DCH, lenet", "bp"],
        ["SH", "", "—"],
        ["PenaltyStrategies", "DCH, lenet", "fa"],
        ["LSH", "", "—"],
    ]
    assert rows[1][3:] == ["0.8080", "0.8160"]
    assert rows[3][4].startswith(f"{np.mean([value_of('LSH', '—', 16, seed) for seed in (0, 1)]):.4f} ± ")
    header, *rows = rows_below("## 8 bits", lines)
    assert header[:5] == ["method", "settings", "rule", "seeds", "mAP"]
    assert {(row[0], row[2]): row[8][:7] for row in rows} == {
        ("SH", "—"): "—",
        ("LSH", "—"): "—",
        ("PenaltyStrategies", "bp"): "baselin",
        ("PenaltyStrategies", "fa"): "-0.2000",
    }
    for name in ("bars", "curves", "overview", "bits"):
        with Image.open(study / f"comparison-{name}.png") as image:
            assert image.size[0] > 1000


@pytest.mark.usefixtures("unrendered")
def test_the_table_of_all_numbers(study):
    track_untrained("SH", 16, 1, 0.5, iterations="100")
    compare("TINY", "trial", quiet=True)
    with (study / "comparison.csv").open(newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["metric"] == "query_mAP_expected"]
    assert next(iter(rows[0])) == "model"
    found = {(row["model"], row["rule"], row["number_of_bits"], row["iterations"]): row for row in rows}
    assert len(found) == len(rows) == 9
    assert float(found["LSH", "—", "8", ""]["mean"]) == pytest.approx(np.mean([value_of("LSH", "—", 8, seed) for seed in (0, 1)]))
    assert found["LSH", "—", "8", ""]["loss"] == found["SH", "—", "16", "100"]["architecture"] == ""
    assert found["PenaltyStrategies", "fa", "8", ""]["loss"] == "DCH"
    assert found["LSH", "—", "16", ""]["difference_to_bp"] == ""
    text = (study / "comparison.md").read_text("utf-8")
    assert "| SH | iterations 100 | — |" in text, "settings that differ within a method are named"


@pytest.mark.usefixtures("unrendered")
def test_numbers_on_two_splits_share_no_table(tracked_home):
    track("bp", 0, value=0.9)
    track_untrained("LSH", 16, 0, 0.3, split={"split": "TINY, another split", "split_sha256": "b" * 64})
    text = (compare("TINY", "trial", quiet=True) / "comparison.md").read_text("utf-8")
    assert text.count("## 16 bits") == 2
    assert f"split {SPLIT['split']}" in text


@pytest.mark.usefixtures("unrendered")
def test_one_method_without_rules_alone(tracked_home, capsys):
    for seed in (0, 1):
        track_untrained("LSH", 16, seed, 0.3)
    folder = compare("TINY", "trial")
    assert folder == tracked_home / "eval" / "LSH" / "TINY" / "trial"
    assert sorted(path.name for path in folder.iterdir()) == [
        "comparison-bars.png", "comparison-runs.csv", "comparison.csv", "comparison.md",
    ]  # fmt: skip
    said = capsys.readouterr().out
    assert "method  " not in said
    assert any(line.split()[:3] == ["—", "2", "0.3000"] for line in said.splitlines())


@pytest.mark.usefixtures("unrendered")
def test_runs_that_are_left_out_are_named_with_their_method(study, capsys):
    track_untrained("LSH", 32, 0, 0.3)
    track("bp", 4)
    compare("TINY", "trial")
    said = capsys.readouterr().out
    assert "left out, without query_mAP_expected (run python src/eval/eval_map.py): PenaltyStrategies bp seed 4 number of bits 16" in said
