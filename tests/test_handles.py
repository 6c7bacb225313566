"""Short handles of runs: paths, beginnings and patterns, and what is refused."""

import dataclasses

import pytest

from biodeephashing.errors import RunError
from biodeephashing.models.PenaltyStrategies import Settings
from biodeephashing.runs import HOME_VARIABLE, Run, run_of, runs_of
from biodeephashing.runs.hparams_json import hparams_of, write_hparams

FIRST = Settings(database="DIGITS", experiment_name="first", architecture="bio-lenet", number_of_bits=32, penalty=0.0)
SETTINGS = {
    "zero": FIRST,
    "tenth": dataclasses.replace(FIRST, penalty=0.01),
    "usf": dataclasses.replace(FIRST, mode="usf"),
    "raw": dataclasses.replace(FIRST, no_cube=True),
    "augmented": dataclasses.replace(FIRST, transformations="imagenet-aug"),
    "map": dataclasses.replace(FIRST, mode="conv1=fa,*=bp"),
    "second": dataclasses.replace(FIRST, experiment_name="first2"),
    "other": dataclasses.replace(FIRST, database="CIFAR_10", experiment_name="other"),
}


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    made = {name: Run.of(settings) for name, settings in SETTINGS.items()}
    made["LLC"] = dataclasses.replace(made["zero"], method="LLC")
    for run in made.values():
        write_hparams(run.hparams_file, hparams_of(FIRST))
    return made


@pytest.mark.parametrize(
    ("handle", "names"),
    [
        ("DIGITS/first", "zero tenth usf raw augmented map LLC"),  # not first2: a whole name comes first
        ("DIGITS/firs", "zero tenth usf raw augmented map second LLC"),
        ("DIGITS", "zero tenth usf raw augmented map second LLC"),
        ("CIFAR", "other"),
        ("PenaltyStrategies/DIGITS/first", "zero tenth usf raw augmented map"),
        ("models/PenaltyStrategies/DIGITS/first/", "zero tenth usf raw augmented map"),
        ("LLC", "LLC"),
        ("*/DIGITS/first2", "second"),
        ("models/*/DIGITS/*/*-mode=usf*", "usf"),
        ("DIGITS/first/*-mode=usf", "usf"),
        ("DIGITS/first/*-mode=fa", "zero tenth raw augmented LLC"),
        ("DIGITS/first/*-mode=?sf", "usf"),
        ("DIGITS/first/*-mode=*sf", "usf"),
        ("DIGITS/first/*-penalty=0.0", "zero usf raw augmented map LLC"),  # never 0.01
        ("DIGITS/first/*-penalty=0.0*", "zero usf raw augmented map LLC"),
        ("DIGITS/first/*penalty=0.0", "zero usf raw augmented map LLC"),  # and never L2_penalty
        ("DIGITS/first/*-trf=imagenet-arch=*", "zero tenth usf raw map LLC"),
        ("DIGITS/first/*-trf=imagenet", "zero tenth usf raw map LLC"),
        ("DIGITS/first/*-trf=imagenet-aug", "augmented"),
        ("DIGITS/first/-loss=DSH-nbits=32", "zero tenth usf raw augmented map LLC"),
        ("DIGITS/first/*-HSWD_penalty=0.0-no_cube", "raw"),
        ("DIGITS/first/*-HSWD_penalty=0.0", "zero tenth usf raw augmented map LLC"),  # a bare key ends a value too
        ("DIGITS/first/*-lr=1e-05", "zero tenth usf raw augmented map LLC"),
        ("DIGITS/first/*[vc]al-*", None),
        ("DIGITS/first/*-lr=1e", None),
        ("DIGITS/first/*-nbits=3", None),
        ("DIGITS/f?rst2", "second"),
    ],
)  # fmt: skip
def test_what_a_handle_stands_for(runs, handle, names):
    if names is None:
        with pytest.raises(RunError, match="no run matches"):
            runs_of(handle)
        return
    assert {*runs_of(handle)} == {runs[name] for name in names.split()}


def test_a_directory_stands_for_its_run(runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path / "models")
    for handle in (runs["usf"].directory, f"models/PenaltyStrategies/DIGITS/first/{runs['usf'].name}", f"DIGITS/first/{runs['usf'].name}"):
        assert run_of(handle) == runs["usf"]


def test_one_run_is_not_chosen_among_several(runs):
    with pytest.raises(RunError, match="7 runs") as caught:
        run_of("DIGITS/first")
    assert all(str(runs[name]) in str(caught.value) for name in ("zero", "tenth", "usf", "LLC"))


def test_nothing_is_guessed(runs):
    with pytest.raises(RunError, match="no run matches DIGITS/fisrt: did you mean 'DIGITS/first"):
        runs_of("DIGITS/fisrt")
    with pytest.raises(RunError, match="no run directory"):
        runs_of("DIGITS/first/x/y/z")
