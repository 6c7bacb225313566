"""Frozen runs in a comparison: the row of what rules gain something over, or not."""

from __future__ import annotations

import csv

import pytest
from tracked_runs import METRIC, compared, observation, track

from biodeephashing.commands.compare import compare
from biodeephashing.eval.comparison import RunRecord, build_groups, console_text, draw_figures, rule_and_settings, write_csv
from biodeephashing.eval.figures import colour_of, pen_of
from biodeephashing.eval.significance import holm, paired_difference

VALUES = {"bp": (0.8, 0.9, 0.85), "fa": (0.5, 0.7, 0.6), "usf": (0.7, 0.75, 0.9), "frozen": (0.6, 0.65, 0.61)}
BITS = {"number_of_bits": "16"}


def all_runs() -> list[RunRecord]:
    return [observation(rule, seed, value, **BITS) for rule, values in VALUES.items() for seed, value in enumerate(values)]


def test_differences_to_frozen_by_hand():
    table = compared(all_runs()).table.set_index("rule")
    assert [*table.index] == ["bp", "usf", "frozen", "fa"]
    tests = {rule: paired_difference(dict(enumerate(VALUES[rule])), dict(enumerate(VALUES["frozen"]))) for rule in ("bp", "usf", "fa")}
    adjusted = holm({rule: one.p for rule, one in tests.items()})
    for rule, one in tests.items():
        row = table.loc[rule]
        assert row["difference_to_frozen"] == pytest.approx(sum(VALUES[rule]) / 3 - 0.62)
        assert (row["interval_low_frozen"], row["interval_high_frozen"], row["n_pairs_frozen"]) == (one.low, one.high, 3)
        assert (row["p_frozen"], row["p_holm_frozen"]) == (one.p, adjusted[rule])
    assert table.loc["frozen", ["difference_to_frozen", "p_frozen", "p_holm_frozen"]].isna().all()


def test_frozen_runs_are_no_further_test_against_bp():
    with_frozen, without = (compared(runs).table.set_index("rule")["p_holm"] for runs in (all_runs(), all_runs()[:9]))
    assert with_frozen.dropna().to_dict() == without.dropna().to_dict()


def test_tables_and_csv_have_the_differences_where_there_is_a_floor(tmp_path):
    comparison = compared(all_runs())
    text = console_text(comparison)
    assert "difference to frozen [95% interval]" in text
    assert next(line for line in text.splitlines() if line.startswith("frozen")).split()[-2:] == ["floor", "-"]
    write_csv(tmp_path / "with.csv", comparison)
    write_csv(tmp_path / "without.csv", compared(all_runs()[:9]))
    headers = [next(csv.reader((tmp_path / name).open(newline=""))) for name in ("with.csv", "without.csv")]
    assert [name for name in headers[0] if name not in headers[1]] == [
        "difference_to_frozen", "interval_low_frozen", "interval_high_frozen", "n_pairs_frozen", "p_frozen", "p_holm_frozen",
    ]  # fmt: skip


def test_what_means_nothing_to_a_frozen_backbone_does_not_separate():
    own = {"loss": "DCH", "fixed_norm": "True", "train_only": "conv_head", "scale": "weight", "freeze": "False"}
    runs = [RunRecord(*rule_and_settings_of("bp", 0, own), "split", {METRIC: 0.9}, {})]
    runs += [RunRecord(*rule_and_settings_of("bp", 0, {**own, "fixed_norm": "False"}), "split", {METRIC: 0.8}, {})]
    runs += [RunRecord(*rule_and_settings_of("bp", 0, {**own, "train_only": ""}), "split", {METRIC: 0.7}, {})]
    floor = {"loss": "DCH", "fixed_norm": "False", "scale": "init", "freeze": "True"}
    runs += [RunRecord(*rule_and_settings_of("fa", 0, floor), "split", {METRIC: 0.5}, {})]
    runs += [RunRecord(*rule_and_settings_of("fa", 0, {**floor, "loss": "CSQ"}), "split", {METRIC: 0.4}, {})]
    found = {group.title: {rule: seeds[0].metrics[METRIC] for rule, seeds in group.runs.items()} for group in build_groups(runs, METRIC)[0]}
    assert found == {
        "CSQ": {"frozen": 0.4},
        "DCH, fixed norm True, scale weight": {"bp": 0.7, "frozen": 0.5},
        "DCH, fixed norm False, train only conv_head, scale weight": {"bp": 0.8, "frozen": 0.5},
        "DCH, fixed norm True, train only conv_head, scale weight": {"bp": 0.9, "frozen": 0.5},
    }


def rule_and_settings_of(rule: str, seed: int, settings: dict[str, str]) -> tuple[str, int, dict[str, str]]:
    record_rule, record_settings = rule_and_settings(rule, settings)
    return record_rule, seed, record_settings


def test_of_two_towers_the_other_one_learns_by_its_rule():
    settings = {"text_architecture": "bio-mlp", "freeze": "True", "scale": "init"}
    assert rule_and_settings("fa", settings) == ("fa", settings)


@pytest.mark.usefixtures("unrendered")
def test_floor_and_ceiling_are_lines(tmp_path, drawn):
    draw_figures(tmp_path, compared(all_runs()))
    figure = drawn["comparison-bars.png"]
    means, differences = figure.axes[:2]
    upright = {line.get_color(): line.get_xdata()[0] for line in means.lines if len(set(line.get_xdata())) == 1}
    assert upright == {colour_of("bp"): pytest.approx(0.85), colour_of("frozen"): pytest.approx(0.62)}
    upright = {line.get_color(): line.get_xdata()[0] for line in differences.lines if len(set(line.get_xdata())) == 1}
    assert upright == {colour_of("bp"): 0, colour_of("frozen"): pytest.approx(0.62 - 0.85)}
    assert pen_of("frozen")["linestyle"] != pen_of("bp")["linestyle"] == "-"
    [legend] = [legend for part in figure.subfigs for legend in part.legends]
    assert [text.get_text() for text in legend.get_texts()] == ["bp", "frozen backbone"]


@pytest.mark.usefixtures("unrendered")
def test_an_experiment_with_frozen_runs_of_another_rate(tracked_home, capsys):
    for seed in (0, 1):
        track("bp", seed, value=0.9 + 0.01 * seed, architecture="bio-resnet18", fixed_norm=True, learning_rate=1e-3)
        track("bp", seed, value=0.6, architecture="resnet18", freeze=True, learning_rate=1e-2)
    folder = compare("TINY", "trial", per_rule=["learning_rate"])
    said = capsys.readouterr().out
    assert "frozen: the hash layer learns alone" in said
    with (folder / "comparison.csv").open(newline="") as stream:
        rows = {row["rule"]: row for row in csv.DictReader(stream) if row["metric"] == METRIC}
    assert {rule: row["learning_rate"] for rule, row in rows.items()} == {"bp": "0.001", "frozen": "0.01"}
    assert float(rows["bp"]["difference_to_frozen"]) == pytest.approx(0.305)
    track("fa", 0, value=0.5, architecture="bio-resnet18", freeze=True, learning_rate=1e-2)
    compare("TINY", "trial", per_rule=["learning_rate"])
    assert "two runs of frozen with seed 0" in capsys.readouterr().out
