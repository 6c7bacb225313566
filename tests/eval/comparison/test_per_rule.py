"""Settings that every rule has its own value of: which counts, by hand, and what is told of it."""

from __future__ import annotations

import csv

import pytest
from tracked_runs import METRIC, compared, track

from biodeephashing.commands.compare import compare
from biodeephashing.errors import RunError, UsageError
from biodeephashing.eval.compare import main
from biodeephashing.eval.comparison import RunRecord, build_groups, choose, console_text, draw_figures, write_csv

RATE = "learning_rate"


def trained(rule: str, rate: str, seed: int, val: float | None, query: float = 0.5, **settings: str) -> RunRecord:
    """A run by its rate, and what it reached on the val fold and on the query fold."""
    metrics = {METRIC: query} | ({} if val is None else {"best_val_mAP": val})
    return RunRecord(rule, seed, {"loss": "DCH", RATE: rate, **settings}, "split", metrics, {})


def test_the_rate_with_the_highest_mean_val_counts_whatever_the_query_says():
    runs = [trained("fa", "0.001", 0, 0.6, query=0.9), trained("fa", "0.001", 1, 0.5, query=0.9)]  # mean 0.55
    runs += [trained("fa", "0.0001", 0, 0.5, query=0.1), trained("fa", "0.0001", 1, 0.8, query=0.3)]  # mean 0.65
    runs += [trained("bp", "0.01", seed, None, query=0.7) for seed in (0, 1)]  # one value needs no choice
    table = compared(runs, RATE).compared.set_index("rule")
    assert table.loc["fa", "values"] == {0: 0.1, 1: 0.3}
    assert table.loc["fa", "difference_to_bp"] == pytest.approx((0.1 + 0.3) / 2 - 0.7), "rates differ, and the rules are paired"


def test_only_seeds_of_all_values_are_counted():
    runs = [trained("fa", "0.001", 0, 0.6), trained("fa", "0.0001", 0, 0.5), trained("fa", "0.0001", 1, 0.9)]
    choice = choose(runs, [RATE])
    assert (choice.best, choice.seeds) == (("0.001",), [0]), "0.0001 has a mean of 0.7 and of 0.5 over the shared seed"
    assert choice.means == {("0.001",): 0.6, ("0.0001",): 0.5}


def test_of_equal_values_the_smaller_number_counts():
    for rates in (("1e-05", "0.001", "0.0001"), ("0.0001", "1e-05", "0.001")):
        assert choose([trained("fa", rate, 0, 0.5) for rate in rates], [RATE]).best == ("1e-05",)


def test_values_of_several_settings_are_chosen_together():
    runs = [
        trained("fa", rate, 0, val, scale=scale)
        for rate, scale, val in (("0.1", "init", 0.1), ("0.1", "weight", 0.4), ("0.2", "init", 0.3))
    ]
    assert choose(runs, [RATE, "scale"]).best == ("0.1", "weight")
    comparison = compared([*runs, trained("bp", "0.3", 0, 0.2, scale="init")], RATE, "scale")
    rows = [line.split()[:5] for line in console_text(comparison).splitlines() if line.startswith(("fa", "bp"))]
    assert rows == [["bp", "0.3", "init", "1", "0.5000"], ["fa", "0.1", "weight", "1", "0.5000"]]


def test_every_rule_and_every_group_chooses_for_itself():
    vals = {("DCH", "fa"): (0.2, 0.1), ("DCH", "usf"): (0.1, 0.2), ("CSQ", "fa"): (0.1, 0.2)}
    runs = [
        trained(rule, rate, 0, val, loss=loss)
        for (loss, rule), both in vals.items()
        for rate, val in zip(("0.1", "0.2"), both, strict=True)
    ]
    groups, remarks = build_groups(runs, METRIC, [RATE])
    found = {(group.title, rule): run[0].settings[RATE] for group in groups for rule, run in group.runs.items()}
    assert found == {("CSQ", "fa"): "0.2", ("DCH", "fa"): "0.1", ("DCH", "usf"): "0.2"}
    assert remarks[0] == "CSQ: learning rate of fa: 0.2 counts (val mAP 0.2000), left out: 0.1 (0.1000); means over seed 0"
    assert len(remarks) == 3


def test_without_a_shared_seed_nothing_is_chosen():
    runs = [trained("fa", "0.1", 0, 0.5), trained("fa", "0.2", 1, 0.5), trained("fa", "0.2", 0, None)]
    with pytest.raises(RunError, match=r"learning_rate .* fa: .*0\.1 \(seeds 0\), 0\.2 \(seeds 1\)"):
        compared(runs, RATE)


@pytest.mark.usefixtures("unrendered")
def test_the_value_stands_in_csv_and_figure(tmp_path, drawn):
    comparison = compared([trained("fa", "0.1", 0, 0.5), trained("fa", "0.2", 0, 0.6), trained("bp", "0.3", 0, 0.5)], RATE)
    write_csv(tmp_path / "comparison.csv", comparison)
    with (tmp_path / "comparison.csv").open(newline="") as stream:
        assert {row["rule"]: row[RATE] for row in csv.DictReader(stream)} == {"bp": "0.3", "fa": "0.2"}
    draw_figures(tmp_path, comparison)
    figure = drawn["comparison-bars.png"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["bp at 0.3 (1)", "fa at 0.2 (1)"]
    assert "learning rate of the rule" in figure.get_supxlabel()


@pytest.mark.usefixtures("unrendered")
def test_an_experiment_with_own_rates(tracked_home, capsys):
    track("bp", 0, value=0.9, learning_rate=1e-3)
    for rate, val, value in ((1e-3, 0.3, 0.8), (1e-4, 0.4, 0.6)):
        track("fa", 0, value=value, best_val_mAP=val, learning_rate=rate)
    folder = compare("TINY", "trial", per_rule=["lr"])
    said = capsys.readouterr().out
    assert "every rule at its own learning rate" in said
    assert "learning rate of fa: 0.0001 counts (val mAP 0.4000), left out: 0.001 (0.3000)" in said
    with (folder / "comparison-runs.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {(row["rule"], row[RATE], row["seed"], row["counted"], row["best_val_mAP"], row[METRIC]) for row in rows} == {
        ("bp", "0.001", "0", "True", "", "0.9"), ("fa", "0.0001", "0", "True", "0.4", "0.6"), ("fa", "0.001", "0", "False", "0.3", "0.8"),
    }  # fmt: skip
    assert {(row["loss"], row["number_of_bits"], row["split"][:4]) for row in rows} == {("DCH", "16", "TINY")}
    for name in ("mode", "seed", "number_of_bits", "freeze", "nbits"):
        with pytest.raises(UsageError, match=f"-per_rule {name.replace('nbits', 'number_of_bits')}: "):
            compare("TINY", "trial", per_rule=[name])
    with pytest.raises(UsageError, match="'learning_rat': did you mean 'learning_rate'"):
        compare("TINY", "trial", per_rule=["learning_rat"])


def test_two_runs_have_no_rules_to_choose_for():
    with pytest.raises(UsageError, match=r"-per_rule learning_rate .* -p "):
        main(["-p", "A", "B", "-per_rule", "learning_rate"])
