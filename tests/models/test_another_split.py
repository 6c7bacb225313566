"""A data set that is prepared anew after a run was trained on it: what the run learned from might be asked of it."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from training_cases import interrupt_in_epoch

from biodeephashing.commands.predict import predict
from biodeephashing.commands.train import train
from biodeephashing.data import load_fold, write_metadata, write_split
from biodeephashing.data.split import checksums, read_facts
from biodeephashing.errors import BioDeepHashingError, RunError
from biodeephashing.models.PenaltyStrategies import Settings
from biodeephashing.runs import Run, processed_folder, read_json

ANOTHER = (
    r"was trained on another split of TINY: .* other images or labels in {}\. .*-no_skip.*split\.json says it was \(disjoint, seed 0\)"
)


def exchange(database: str, first: str, second: str) -> None:
    """Prepare a data set as another seed would have it: two folds of equal size change places."""
    one, other = load_fold(database, first), load_fold(database, second)
    write_metadata(one.file, other.paths, other.labels)
    write_metadata(other.file, one.paths, one.labels)
    write_split(one.file.parent, replace(read_facts(database), sha256=checksums(one.file.parent)))


@pytest.mark.parametrize(("folds", "changed"), [(("train", "database"), "train"), (("val", "query"), "val")])
def test_its_codes_are_not_written(settings: Settings, folds: tuple[str, str], changed: str) -> None:
    run = train(settings, quiet=True)
    exchange(settings.database, *folds)
    with pytest.raises(RunError, match=ANOTHER.format(changed)):
        predict(settings, quiet=True)
    assert not (run.directory / "predictions.json").exists()
    with pytest.raises(RunError, match=ANOTHER.format(changed)):
        train(settings, quiet=True)
    assert run.status == "finished"
    train(replace(settings, no_skip=True), quiet=True)
    predict(settings, quiet=True)
    assert run.codes_file("query").exists()


def test_its_training_is_not_gone_on_with(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        interrupt_in_epoch(patch, 1, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            train(settings, quiet=True)
    run = Run.of(settings)
    assert run.last_checkpoint.exists()
    exchange(settings.database, "train", "database")
    with pytest.raises(RunError, match=ANOTHER.format("train")):
        train(settings, quiet=True)
    assert run.status == "interrupted"
    train(replace(settings, no_skip=True), quiet=True)
    assert run.status == "finished"


@pytest.mark.parametrize("how", ["other databases only", "not recorded"])
def test_what_does_not_matter_is_let_pass(settings: Settings, how: str) -> None:
    run = train(settings, quiet=True)
    recorded = run.directory / "split.json"
    assert read_json(recorded)["sha256"] == read_facts(settings.database).sha256
    if how == "not recorded":  # trained before this was
        exchange(settings.database, "train", "database")
        recorded.unlink()
    else:
        write_metadata((fold := load_fold(settings.database, "database")).file, fold.paths[::-1], fold.labels[::-1])
        write_split(fold.file.parent, replace(read_facts(settings.database), sha256=checksums(fold.file.parent)))
    predict(settings, quiet=True)
    assert run.codes_file("query").exists()


def test_a_finished_run_stands_when_its_data_set_is_gone(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    run = train(settings, quiet=True)
    shutil.rmtree(processed_folder(settings.database))
    assert train(settings) == run
    assert capsys.readouterr().out == f"skipped: {run} is finished (-no_skip trains it again)\n"
    with pytest.raises(BioDeepHashingError, match="TINY"):
        predict(settings, quiet=True)
