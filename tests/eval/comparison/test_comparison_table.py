"""The table of a comparison, and the text and CSV that are made from it."""

from __future__ import annotations

import csv

import pytest
from tracked_runs import METRIC, compared, observation, track

from biodeephashing.commands.compare import compare
from biodeephashing.eval.comparison import build_groups, overview, write_bits_csv


def bits_of(number: object) -> dict[str, str]:
    return {"number_of_bits": str(number)}


def test_the_newer_of_two_equal_runs_counts():
    groups, remarks = build_groups([observation("fa", 0, 0.5), observation("fa", 0, 0.1)], METRIC)
    assert groups[0].runs["fa"][0].metrics == {METRIC: 0.5}
    assert remarks == ["two runs of fa with seed 0 and equal settings: the newer one counts"]


def test_the_baseline_comes_first_and_then_the_best():
    table = compared([observation("fa", 0, 0.1), observation("bp", 0, 0.2), observation("usf", 0, 0.9)]).table
    assert list(table["rule"]) == ["bp", "usf", "fa"]
    assert table["pairs"].tolist() == [{}, {0: pytest.approx(0.7)}, {0: pytest.approx(-0.1)}]


def test_titles_name_what_differs_and_sort_by_number():
    groups, _ = build_groups([observation("fa", 0, 0.1, **bits_of(bits), epochs="9") for bits in (64, 8, 16)], METRIC)
    assert [group.title for group in groups] == ["DCH, 8 bits", "DCH, 16 bits", "DCH, 64 bits"]
    groups, _ = build_groups([observation("fa", 0, 0.1, **bits_of(8), learning_rate=rate) for rate in ("0.1", "0.01")], METRIC)
    assert [group.title for group in groups] == ["DCH, 8 bits, learning rate 0.01", "DCH, 8 bits, learning rate 0.1"]


def test_only_rules_that_share_seeds_are_counted_as_tests():
    runs = [observation(rule, seed, 0.5 + 0.1 * seed * place) for place, rule in enumerate(("bp", "fa", "usf")) for seed in (0, 1)]
    table = compared([*runs, observation("kp", 7, 0.9), observation("wm", 0, 0.9)]).table.set_index("rule")
    assert set(table.index[table["p_holm"].notna()]) == {"fa", "usf"}
    assert table.loc["fa", "p_holm"] == pytest.approx(2 * table.loc["fa", "p"])


def test_the_overview_has_a_row_per_group_and_a_column_per_rule():
    runs = [observation("bp", seed, value, **bits_of(16)) for seed, value in enumerate((0.5, 0.7))]
    runs += [observation("usf", 0, 0.4, **bits_of(16))]
    runs += [observation(rule, 0, value, **bits_of(16), loss="CSQ") for rule, value in (("bp", 0.2), ("fa", 0.9))]
    header, rows = overview(compared(runs))
    assert header == ["settings", "bp", "fa", "usf"]
    assert rows == [["CSQ", "0.2000", "0.9000", "-"], ["DCH", "0.6000 ± 0.1414", "-", "0.4000"]]  # sd of 0.5 and 0.7


def test_values_against_bits_by_hand(tmp_path):
    runs = [
        observation("bp", seed, 0.1 * place + 0.04 * seed, **bits_of(bits)) for place, bits in enumerate((8, 16, 64)) for seed in (0, 1)
    ]
    runs += [observation("fa", 0, 0.5, **bits_of(8)), observation("fa", 0, 0.7, **bits_of(64)), observation("fa", 1, 0.9, **bits_of(64))]
    runs += [observation("bp", 3, 0.3, **bits_of(bits), loss="DPSH") for bits in (16, 12)]
    assert write_bits_csv(tmp_path / "bits.csv", compared([*runs, observation("bp", 0, 0.2, **bits_of(16), loss="CSQ")]))
    with (tmp_path / "bits.csv").open(newline="") as stream:
        header, *rows = csv.reader(stream)
    assert header == ["loss", "split", "rule", "number_of_bits", "metric", "n_seeds", "seeds", "mean", "lowest", "highest"]
    assert [(*row[:4], *row[5:7], *(round(float(cell), 9) for cell in row[7:])) for row in rows] == [
        ("DCH", "split", "bp", "8", "2", "0 1", 0.02, 0.0, 0.04),
        ("DCH", "split", "bp", "16", "2", "0 1", 0.12, 0.1, 0.14),
        ("DCH", "split", "bp", "64", "2", "0 1", 0.22, 0.2, 0.24),
        ("DCH", "split", "fa", "8", "1", "0", 0.5, 0.5, 0.5),
        ("DCH", "split", "fa", "64", "2", "0 1", 0.8, 0.7, 0.9),
        ("DPSH", "split", "bp", "12", "1", "3", 0.3, 0.3, 0.3),
        ("DPSH", "split", "bp", "16", "1", "3", 0.3, 0.3, 0.3),
    ]


def test_groups_that_differ_in_more_than_bits_share_no_panel():
    runs = [observation("bp", 0, 0.5, **bits_of(bits), epochs=epochs) for bits, epochs in ((8, "1"), (16, "2"))]
    assert compared(runs).by_bits == []


@pytest.mark.usefixtures("unrendered")
def test_files_appear_with_what_they_need_and_go_without(tracked_home, capsys):
    track("bp", 0, value=0.9)
    track("fa", 0, value=0.7)
    folder = compare("TINY", "trial")
    more = ["comparison-overview.png", "comparison-bits.png", "comparison-bits.csv"]
    for name in more:
        (folder / name).write_text("of an earlier comparison")
    compare("TINY", "trial")
    said = capsys.readouterr().out + (folder / "comparison.md").read_text("utf-8")
    assert not any((folder / name).exists() or name in said for name in more)
    track("bp", 0, value=0.8, number_of_bits=64)
    compare("TINY", "trial")
    said, text = capsys.readouterr().out, (folder / "comparison.md").read_text("utf-8")
    assert all((folder / name).exists() and name in said for name in more)
    assert "| 16 bits | 0.9000 | 0.7000 |" in text
    assert "| 64 bits | 0.8000 | - |" in text
    assert "![mAP against the number of bits](comparison-bits.png)" in text
