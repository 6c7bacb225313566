"""Sweeps: the same budget for each rule, rungs, the choice by val mAP alone, and what is refused."""

import math
import sys
from contextlib import contextmanager
from dataclasses import replace

import pytest

from biodeephashing.commands import sweep as module
from biodeephashing.commands.compare import compare
from biodeephashing.commands.grids.trial import Reached
from biodeephashing.commands.study import from_arguments
from biodeephashing.commands.sweep import AT_ONCE, sweep
from biodeephashing.errors import BioDeepHashingError, RunError, UsageError
from biodeephashing.executors import Outcome
from biodeephashing.models.PenaltyStrategies import Settings
from biodeephashing.models.PenaltyStrategies.study import main
from biodeephashing.runs import Run, runs_of
from biodeephashing.runs.files import write_json
from biodeephashing.settings.parsers import study_parser
from biodeephashing.settings.ranges import Range, Rungs
from biodeephashing.tracking import tracked_runs

RATES = {"learning_rate": Range(1e-5, 1e-1, log=True)}
BEST = {"bp": 1e-2, "fa": 1e-4}  # the rate that a rule learns best at


@pytest.fixture
def arms():
    return [Settings(mode=mode, architecture="bio-lenet", epochs=9, tracking="off") for mode in BEST]


class Here:
    """An executor that does the work in this process, and ends later units first."""

    places = ()

    def run(self, work, units):
        for unit in reversed(units):
            try:
                yield Outcome(unit, work(unit))
            except BioDeepHashingError as error:
                yield Outcome(unit, error=error)


def value_of(settings, epochs):
    """Return val mAP after some epochs: better near the best rate of the rule; rates far above it learn fast at first."""
    away = abs(math.log10(settings.learning_rate / BEST[settings.mode]))
    return round(epochs / settings.epochs / (1 + away), 6)


@pytest.fixture
def trained(project_home, monkeypatch):
    """Put a formula in the place of training, and return what was trained: settings and epochs, in order."""
    calls = []

    def train_until(settings, parent, *, epochs, patience):
        if settings.learning_rate > 0.05:
            raise RunError("training diverged")
        calls.append((settings, epochs))
        return Reached(value_of(settings, epochs), epochs, settings.epochs)

    def run_trial(settings, parent, *, patience):
        calls.append((settings, "measured"))
        write_json(Run.of(settings).evaluation_file("query"), {"mAP_expected": 0.25 + settings.seed / 100})
        return "0.25 query mAP"

    @contextmanager
    def here(placement, settings):
        yield Here()

    for name, stand_in in (("train_until", train_until), ("run_trial", run_trial), ("open_executor", here)):
        monkeypatch.setattr(module, name, stand_in)
    return calls


def test_each_rule_has_the_same_budget_and_its_best_trial_is_measured(arms, trained):
    failures = sweep(arms, RATES, trials=AT_ONCE + 5, rungs=Rungs())
    for arm in arms:
        own = [settings for settings, epochs in trained if settings.mode == arm.mode and epochs == 9]
        failed = [line for line in failures if f"mode={arm.mode} " in line]
        assert len(own) + len(failed) == AT_ONCE + 5
        best = max(own, key=lambda settings: value_of(settings, 9))
        assert [settings for settings, epochs in trained if settings.mode == arm.mode and epochs == "measured"] == [best]
        assert all(replace(settings, learning_rate=arm.learning_rate) == arm for settings in own)
    assert all("training diverged" in line for line in failures)


def test_rungs_train_the_best_on(arms, trained):
    sweep(arms, {"learning_rate": Range(1e-5, 1e-2, log=True)}, trials=9, rungs=Rungs(1, 3))
    for arm in arms:
        at = {
            epochs: [settings for settings, reached in trained if settings.mode == arm.mode and reached == epochs] for epochs in (1, 3, 9)
        }
        assert [len(some) for some in at.values()] == [9, 3, 1]
        ranked = sorted(at[1], key=lambda settings: -value_of(settings, 1))
        assert set(at[3]) == set(ranked[:3])
        assert at[9] == ranked[:1]
    table = (Run.of(arms[0]).evaluation.parent / "sweep.csv").read_text().splitlines()
    assert table[0] == "mode,learning_rate,epochs,val_mAP,chosen"
    assert len(table) == 1 + 2 * 9
    assert [line.rpartition(",")[2] for line in table[1:]].count("chosen") == 2
    assert sorted(line.split(",")[2] for line in table[1:]) == ["1"] * 12 + ["3"] * 4 + ["9"] * 2


def test_the_same_command_proposes_the_same_in_whatever_order_trials_end(arms, trained, monkeypatch):
    ranges = {"learning_rate": Range(1e-5, 1e-2, log=True)}
    sweep(arms, ranges, trials=AT_ONCE + 5, rungs=Rungs(3))
    first = [*trained]
    trained.clear()
    monkeypatch.setattr(Here, "run", lambda self, work, units: (Outcome(unit, work(unit)) for unit in units))
    sweep(arms, ranges, trials=AT_ONCE + 5, rungs=Rungs(3))
    assert set(first) == set(trained)
    assert first != trained
    tried = {mode: {settings.learning_rate for settings, _ in trained if settings.mode == mode} for mode in BEST}
    assert len(tried["bp"] & tried["fa"]) >= AT_ONCE
    assert tried["bp"] != tried["fa"]  # the later ones follow from what the rule has reached


def test_fresh_seeds_measure_what_was_chosen(arms, trained, capsys):
    sweep(arms[:1], RATES, trials=2, rungs=Rungs(), seeds=[1, 3])
    measured = [settings for settings, epochs in trained if epochs == "measured"]
    assert sorted(settings.seed for settings in measured) == [1, 3]
    assert len({settings.learning_rate for settings in measured}) == 1
    assert "0.2700 ± 0.0141 (2 seeds)" in capsys.readouterr().out


def test_settings_that_are_proposed_twice_are_trained_once(arms, trained):
    sweep(arms[:1], {"batch_size": Range(8, 9)}, trials=6, rungs=Rungs())
    tried = [settings.batch_size for settings, epochs in trained if epochs == 9]
    assert sorted(tried) == [8, 9]


def test_where_all_trials_fail_nothing_is_chosen(arms, trained):
    assert len(sweep(arms[:1], {"learning_rate": Range(0.06, 0.1)}, trials=2, rungs=Rungs(3))) == 2
    assert trained == []


@pytest.fixture
def config(tmp_path, tiny_database):
    file = tmp_path / "sweep.yaml"
    file.write_text(
        f"exp: sweep\ndb: {tiny_database}\nloss: DCH\nnbits: 8\ntrf: none\narch: bio-lenet\nmode: [fa]\nbs: 8\nep: 2\nnw: 0\ndevice: cpu\n"
        "lr: {low: 1e-4, high: 1e-2, log: true}\n"
    )
    return file


@pytest.mark.parametrize(
    ("flags", "change", "words"),
    [
        ([], ("", ""), "learning_rate has a range: say with -trials N"),
        (["-trials", "3"], ("lr: {low: 1e-4, high: 1e-2, log: true}", "lr: 1e-3"), "there is none"),
        (["-trials", "0"], ("", ""), "-trials 0 is not possible"),
        (["-trials", "3"], ("[fa]", "[fa, fa]"), "list every value once"),
        (["-trials", "3", "-rung", "2"], ("", ""), "-rung 2 is not before the end, -ep 2"),
        (["-trials", "3", "-part", "0/2"], ("", ""), "-part 0/2"),
        (["-trials", "3", "-no_skip"], ("", ""), "leave out -no_skip"),
        (["-trials", "3"], ("high", "hig"), "did you mean 'high'"),
    ],
)
def test_what_no_sweep_can_be_is_refused_before_anything_is_written(config, project_home, flags, change, words):
    config.write_text(config.read_text().replace(*change))
    with pytest.raises(UsageError, match=words):
        main(["-config", str(config), *flags])
    assert not (project_home / "models").exists()
    assert not (project_home / "experiments").exists()


def test_without_optuna_the_extra_is_named(config, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UsageError, match=r"pip install .biodeephashing\[sweep\]"):
        from_arguments(study_parser(Settings).parse_args(["-config", str(config), "-trials", "1"]), Settings)


@pytest.mark.slow
def test_a_sweep_leaves_trials_interrupted_and_out_of_the_tables(config, project_home, capfd):
    for _ in range(2):  # the second time there is nothing to train
        main(["-config", str(config), "-trials", "3", "-rung", "1", "-jobs", "1"])
    told = capfd.readouterr().out
    assert told.count("after 1 of 2 epochs") == 2 * 3
    assert told.count("(was trained already)") == 2
    runs = runs_of("TINY/sweep")
    assert sorted(run.status for run in runs) == ["finished", "interrupted", "interrupted"]
    tracked = {run.name: run for run in tracked_runs("TINY", "sweep")}
    assert {name: "pruned" in run.tags for name, run in tracked.items()} == {run.name: run.status == "interrupted" for run in runs}
    table = (compare("TINY", "sweep", quiet=True) / "comparison.md").read_text()
    assert "left out, not finished" not in table
