"""Methods: one file makes one, its table makes its flags, and a setting goes to no method that has none of that name."""

import json

import pytest

from biodeephashing.cli import main
from biodeephashing.commands.train import train
from biodeephashing.errors import BioDeepHashingError, RunError, UsageError
from biodeephashing.models import load_method
from biodeephashing.models.encoder import Encoder
from biodeephashing.models.PenaltyStrategies import train as script
from biodeephashing.runs import METHODS, Run, identifying_settings, register_method, settings_of


@pytest.fixture
def lsh(monkeypatch, project_home):
    """Register the method of rank_method.py for one test, and return its table."""
    monkeypatch.setattr(METHODS, "_entries", dict(METHODS._entries))
    monkeypatch.setattr(METHODS, "facts", dict(METHODS.facts))
    for _ in range(2):  # as a script and as the module that its places name
        register_method("LSH", settings="rank_method:Settings", method="rank_method:METHOD")
    return settings_of("LSH")


def refused(words, *named):
    with pytest.raises(BioDeepHashingError) as error:
        main(words)
    assert all(part in str(error.value) for part in named), str(error.value)


def test_a_method_in_one_file_has_its_own_flags_names_and_directory(lsh, project_home, capsys):
    with pytest.raises(SystemExit):
        main(["train", "LSH", "-h"])
    text = capsys.readouterr().out
    assert "-rank N" in text
    assert "-penalty" not in text
    assert "-arch" not in text
    main(["train", "LSH", "-exp", "e", "-db", "TINY", "-nbits", "16", "-rank", "4"])
    (place,) = (project_home / "models").glob("*/*/*/*")
    assert str(place.relative_to(project_home)) == "models/LSH/TINY/e/-nbits=16-seed=0-rank=4"
    run = Run.at(place)
    assert run.settings() == lsh(experiment_name="e", database="TINY", number_of_bits=16, rank=4)
    assert json.loads(run.hparams_file.read_text())["model"] == "LSH"
    assert type(load_method("LSH")).__name__ == "LSH"


def test_settings_of_another_method(lsh, project_home, tmp_path):
    refused(["train", "LSH", "-penalty", "1"], "-penalty is a setting of PenaltyStrategies, LSH has none")
    refused(["study", "PenaltyStrategies", "-rank=4"], "-rank is a setting of LSH, PenaltyStrategies has none")
    config = tmp_path / "some.yaml"
    config.write_text("number_of_bits: 8\nlearning_rate: 1\n")
    refused(["train", "LSH", "-config", str(config)], str(config), "learning_rate is a setting of PenaltyStrategies")
    refused(["train", "LSH", "-rnk", "4"], "did you mean -rank?")
    config.write_text("training: {method: DCMH}\n")
    refused(["train", "-config", str(config)], f"{config}: training", f"biodeephashing train CrossModal -config {config}")
    assert not (project_home / "models").exists()


def test_the_method_that_a_file_names(lsh, project_home, tmp_path):
    config = tmp_path / "some.yaml"
    config.write_text("model: LSH\nrank: 3\nexp: e\n")
    main(["train", "-config", str(config)])
    assert [path.name for path in (project_home / "models" / "LSH" / "CIFAR_10" / "e").iterdir()] == ["-nbits=1-seed=0-rank=3"]
    refused(["train", "PenaltyStrategies", "-config", str(config)], "PenaltyStrategies", f"{config} names LSH")
    with pytest.raises(UsageError, match=r"some\.yaml names LSH"):
        script.main([f"--config={config}"])
    config.write_text("model: LHS\nrank: 3\n")
    refused(["study", "-config", str(config)], "unknown method 'LHS'", "'LSH'")
    refused(["train", "LHS"], "unknown method 'LHS'", "'LSH'")
    with pytest.raises(UsageError, match=r"some\.yaml: model names the method LHS"):
        lsh.from_mapping({"model": "LHS"}, "some.yaml")
    assert not (project_home / "models" / "PenaltyStrategies").exists()


def test_a_run_whose_method_is_gone(lsh, project_home, monkeypatch, capsys):
    run = train(lsh(experiment_name="e", database="TINY", number_of_bits=16), quiet=True)
    monkeypatch.delitem(METHODS._entries, "LSH")
    for refusal in (lambda: main(["predict", "-p", str(run.directory)]), lambda: Encoder.of(run), lambda: train(lsh(), quiet=True)):
        with pytest.raises(BioDeepHashingError, match="LSH"):
            refusal()
    assert run.hparams()["number_of_bits"] == 16
    assert identifying_settings(run.hparams()) == {"number_of_bits": "16", "seed": "0", "rank": "8"}
    main(["list"])
    row = capsys.readouterr().out.splitlines()[2].split()
    assert row[:7] == ["TINY/e", "LSH", "-", "16", "-", "0", "finished"]


def test_a_table_that_says_it_is_of_another_method(lsh):
    register_method("Other", settings="rank_method:Settings", method="rank_method:METHOD")
    with pytest.raises(BioDeepHashingError, match="rank_method:Settings is the table of the method 'LSH', not of 'Other'"):
        settings_of("Other")
    with pytest.raises(BioDeepHashingError, match="'LSH' is registered twice"):
        register_method("LSH", settings="elsewhere:Settings", method="rank_method:METHOD")


def test_a_run_of_a_newer_version(lsh):
    run = train(lsh(experiment_name="e", database="TINY"), quiet=True)
    run.hparams_file.write_text(json.dumps(json.loads(run.hparams_file.read_text()) | {"temperature": 3}))
    with pytest.raises(UsageError, match=r"hparams.json: unknown setting 'temperature': a newer version"):
        run.settings()
    with pytest.raises(RunError, match="never"):
        Encoder.of(Run("TINY", "e", "-nbits=2-seed=0-rank=8", "LSH"))
