"""compare.py: groups, statistics against SciPy, files, and what it says about runs it leaves out."""

from __future__ import annotations

import csv
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tracked_runs import LEVELS, SPLIT, track

from biodeephashing.commands.compare import compare
from biodeephashing.errors import RunError, UsageError
from biodeephashing.eval.compare import main
from biodeephashing.eval.comparison import describe_difference
from biodeephashing.eval.figures import colour_of
from biodeephashing.eval.significance import holm, paired_difference, spread
from biodeephashing.registry import names_on_disk

FILES = ("comparison.csv", "comparison-runs.csv", "comparison.md", "comparison-bars.png", "comparison-curves.png")


@pytest.fixture
def study(tracked_home):
    """Three rules with three seeds, bp as a plain network, and two runs that do not count."""
    values = {}
    rng = np.random.default_rng(0)
    for mode, level in LEVELS.items():
        for seed in range(3):
            values[mode, seed] = level + rng.normal() / 50
            track(mode, seed, value=values[mode, seed], architecture="lenet" if mode == "bp" else "bio-lenet")
    track("fa", 3)
    track("usf", 4, value=0.1, status="KILLED")
    return values


def read_csv(folder) -> list[dict[str, str]]:
    with (folder / "comparison.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_files_and_numbers(study, capsys):
    from scipy.stats import ttest_rel

    folder = compare("TINY", "trial")
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    for name in FILES[3:]:
        with Image.open(folder / name) as image:
            assert image.size[0] > 1000
    rows = {row["rule"]: row for row in read_csv(folder) if row["metric"] == "query_mAP_expected"}
    assert list(rows) == ["bp", "usf", "fa"]
    for rule, row in rows.items():
        values = [study[rule, seed] for seed in range(3)]
        assert float(row["mean"]) == pytest.approx(np.mean(values), abs=1e-15)
        assert float(row["sd"]) == pytest.approx(np.std(values, ddof=1), abs=1e-15)
        assert (row["n_seeds"], row["seeds"], row["split"]) == ("3", "0 1 2", SPLIT["split"])
        if rule == "bp":
            assert row["difference_to_bp"] == row["p"] == row["p_holm"] == ""
            continue
        test = ttest_rel(values, [study["bp", seed] for seed in range(3)])
        assert float(row["p"]) == pytest.approx(test.pvalue, rel=1e-9)
        interval = test.confidence_interval(0.95)
        assert float(row["interval_low"]) == pytest.approx(interval.low, abs=1e-12)
        assert float(row["interval_high"]) == pytest.approx(interval.high, abs=1e-12)
    smaller, larger = sorted(("usf", "fa"), key=lambda rule: float(rows[rule]["p"]))
    assert float(rows[smaller]["p_holm"]) == 2 * float(rows[smaller]["p"])
    assert float(rows[larger]["p_holm"]) == max(float(rows[larger]["p"]), float(rows[smaller]["p_holm"]))
    said = capsys.readouterr().out
    assert f"{float(rows['usf']['p_holm']):.4f}" in said
    stated = (
        "p (Holm)",
        "DCH, lenet, 16 bits",
        "PARTIAL: 3 of 9",
        "tie rule expected",
        "denominator: relevant items among the first k",
        "95% interval",
    )
    for text in (said, (folder / "comparison.md").read_text("utf-8")):
        for words in (*stated, "left out, not finished: usf seed 4 (KILLED)", "left out, without query_mAP_expected", "fa seed 3"):
            assert words in text


@pytest.mark.usefixtures("unrendered")
def test_another_metric(study):
    folder = compare("TINY", "trial", metric="query_mAP_feature", quiet=True)
    row = next(row for row in read_csv(folder) if (row["rule"], row["metric"]) == ("fa", "query_mAP_feature"))
    assert float(row["difference_to_bp"]) == pytest.approx(np.mean([study["fa", s] - study["bp", s] for s in range(3)]), abs=1e-12)


@pytest.mark.usefixtures("unrendered")
def test_every_number_that_a_run_holds_can_be_compared(tracked_home, capsys):
    for mode, value in (("bp", 0.5), ("fa", 0.25)):
        track(mode, 0, value=0.9, query_mAP_expected_at_radius_2=value)
    track("usf", 0, value=0.9)
    folder = compare("TINY", "trial", metric="query_mAP_expected_at_radius_2")
    rows = {row["rule"]: row for row in read_csv(folder) if row["metric"] == "query_mAP_expected_at_radius_2"}
    assert {rule: row["mean"] for rule, row in rows.items()} == {"bp": "0.5", "fa": "0.25"}
    assert rows["fa"]["difference_to_bp"] == "-0.25"
    assert "without query_mAP_expected_at_radius_2 (run python src/eval/eval_map.py -radius 2): usf seed 0" in capsys.readouterr().out
    with pytest.raises(
        RunError, match=r"no run .* has query_mAP_expected_at_radius_3, the nearest .* being query_mAP_expected_at_radius_2: "
    ):
        compare("TINY", "trial", metric="query_mAP_expected_at_radius_3")


@pytest.mark.usefixtures("unrendered")
def test_runs_without_numbers_of_features_are_named(tracked_home, capsys):
    for bits in (16, 32):
        track("bp", 0, value=0.9, number_of_bits=bits)
    track("fa", 0, query_mAP_expected=0.5, number_of_bits=32)
    how = "without query_mAP_feature (run python src/eval/eval_map.py, without -no_features): fa seed 0 number of bits 32"
    compare("TINY", "trial")
    assert f"left out of one column, {how}" in capsys.readouterr().out
    compare("TINY", "trial", metric="query_mAP_feature")
    assert f"left out, {how}" in capsys.readouterr().out


@pytest.mark.usefixtures("unrendered")
def test_where_no_run_has_numbers_of_features_there_is_no_column(tracked_home, capsys):
    for mode in ("bp", "fa"):
        track(mode, 0, query_mAP_expected=0.5, query_mAP_expected_at_1000=0.5, query_mAP_expected_at_5000=0.5)
    folder = compare("TINY", "trial")
    said = capsys.readouterr().out
    assert "mAP, ties by feature" not in said
    assert "without query_mAP_feature (run python src/eval/eval_map.py, without -no_features): bp seed 0, fa seed 0" in said
    assert {row["metric"] for row in read_csv(folder)} == {f"query_mAP_expected{cut}" for cut in ("", "_at_1000", "_at_5000")}
    with pytest.raises(RunError, match=r"no run of TINY/trial has query_mAP_feature, .*eval_map.py, without -no_features\): bp"):
        compare("TINY", "trial", metric="query_mAP_feature")


@pytest.mark.usefixtures("unrendered")
def test_settings_and_splits_are_kept_apart(tracked_home):
    track("bp", 0, value=0.9)
    track("fa", 0, value=0.8)
    track("fa", 0, value=0.7, number_of_bits=64)
    track("fa", 1, value=0.6, split={"split": "another split", "split_sha256": "b" * 64})
    folder = compare("TINY", "trial", quiet=True)
    text = (folder / "comparison.md").read_text("utf-8")
    assert text.count("\n## ") == 3
    assert "interval needs 2 seeds" in text
    assert "no bp with these seeds" in text
    assert {(row["number_of_bits"], row["split_sha256"][:1]) for row in read_csv(folder)} == {("16", "a"), ("64", "a"), ("16", "b")}


@pytest.mark.usefixtures("unrendered")
def test_settings_that_change_no_number_do_not_separate(tracked_home):
    track("bp", 0, value=0.9, num_workers=4)
    track("fa", 0, value=0.8, num_workers=0, device="cpu")
    assert (compare("TINY", "trial", quiet=True) / "comparison.md").read_text("utf-8").count("\n## ") == 1


def test_unknown_experiment_names_the_nearest(study):
    with pytest.raises(RunError, match="the nearest is -db TINY -exp trial"):
        compare("TINY", "trail")


def test_nothing_tracked_at_all(project_home, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(RunError, match="nor of any other experiment"):
        compare("TINY", "trial")


def test_nothing_evaluated(tracked_home):
    track("fa", 0)
    with pytest.raises(RunError, match=r"no run of TINY/trial has been evaluated: left out, without query_mAP_expected .*eval_map"):
        compare("TINY", "trial")


def test_runs_that_all_lack_a_number_are_counted(tracked_home):
    for seed in range(4):
        track("fa", seed)
    with pytest.raises(RunError, match=r"all 4 runs$"):
        compare("TINY", "trial")


@pytest.mark.parametrize("metric", ["query_nDCG_expected_at_1000", "val_precision_at_radius_2"])
def test_other_numbers_are_known_but_not_compared_by(metric):
    with pytest.raises(UsageError, match=f"{metric} is no mean average precision"):
        compare("TINY", "trial", metric=metric)


@pytest.mark.parametrize("metric", ["mAP", "query_mAP_expcted", "query_mAP_worst_at_1000", "train_mAP_index"])
def test_unknown_metric(metric):
    with pytest.raises(UsageError, match="unknown metric"):
        compare("TINY", "trial", metric=metric)


@pytest.mark.slow
def test_the_command_of_the_readme(study, tracked_home):
    import biodeephashing.eval.compare as script

    command = [sys.executable, script.__file__, "-exp", "trial", "-db", "TINY"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tracked_home, check=False)
    assert done.returncode == 0, done.stderr
    assert "usf" in done.stdout
    assert done.stderr == ""


def test_names_that_are_no_folders(project_home):
    with pytest.raises(UsageError, match="folder name"):
        main(["-exp", "../outside", "-db", "TINY"])


def test_only_shared_seeds_are_paired():
    # differences of seeds 1 and 2: 0.2 and 0.4; mean 0.3, sd 0.1414, half width 12.706 * 0.1414 / sqrt(2) = 1.2706
    difference = paired_difference({0: 5.0, 1: 0.3, 2: 0.6}, {1: 0.1, 2: 0.2, 3: 9.0})
    assert (difference.mean, difference.n) == (pytest.approx(0.3), 2)
    assert difference.high - difference.mean == pytest.approx(1.2706, abs=1e-4)
    assert paired_difference({0: 1.0}, {1: 1.0}) is None


def test_one_seed_has_no_interval():
    difference = paired_difference({0: 0.5}, {0: 0.4})
    assert (difference.low, difference.high) == (None, None)
    assert describe_difference(difference, "fa") == "+0.1000 (interval needs 2 seeds)"
    assert spread([0.5]).sd is None


def test_equal_differences_have_a_certain_sign():
    assert paired_difference({0: 0.75, 1: 0.5}, {0: 0.5, 1: 0.25}).p == 0.0
    assert paired_difference({0: 0.75, 1: 0.5}, {0: 0.75, 1: 0.5}).p == 1.0


def test_holm_by_hand():
    # times 4, 3, 2, 1 in rising order: 0.02, 0.03, 0.08, 0.9; the third is not below the second, the fourth is as it is
    assert holm({"a": 0.9, "b": 0.005, "c": 0.04, "d": 0.01}) == {"b": 0.02, "d": 0.03, "c": 0.08, "a": 0.9}
    # 0.03 and 2 * 0.012 = 0.024 < 0.03: never less than the one before; 0.6 * 1 stays
    assert holm({"a": 0.01, "b": 0.012, "c": 0.6}) == {"a": 0.03, "b": 0.03, "c": 0.6}
    assert holm({"a": 0.6, "b": 0.7}) == {"a": 1.0, "b": 1.0}
    assert holm({}) == {}


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.001, 0.999))
def test_holm_rejects_what_stepping_down_rejects(chances, level):
    adjusted = holm({str(i): p for i, p in enumerate(chances)})
    left = sorted(range(len(chances)), key=lambda i: chances[i])
    while left and chances[left[0]] * len(left) <= level:  # Holm's own words: the least of those left against level / their number
        assert adjusted[str(left.pop(0))] <= level
    assert all(adjusted[str(i)] > level for i in left)


def test_every_rule_has_a_colour_of_its_own():
    rules = names_on_disk("bio", "RULES")
    assert len({colour_of(rule) for rule in rules}) == len(rules)
    maps = ("classifier-only:fa", "features.*=frsf,*=bp", "all-but-hash-layer:usf")
    assert not {colour_of(rule) for rule in rules} & {colour_of(rule) for rule in maps}
