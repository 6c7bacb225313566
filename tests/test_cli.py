"""The one command: its menu, where each word leads, names it does not know, and the list of runs with what it can free."""

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from scripts import run_script

import biodeephashing
from biodeephashing.cli import main
from biodeephashing.commands.list_runs import list_runs
from biodeephashing.commands.menu import COMMANDS, entrance_of
from biodeephashing.errors import RunError, UsageError
from biodeephashing.models.PenaltyStrategies import Settings
from biodeephashing.registry import load
from biodeephashing.runs import Run, write_json
from biodeephashing.runs.hparams_json import hparams_of
from biodeephashing.runs.predictions_json import Fingerprint, Predictions, write_predictions

ROOT = Path(__file__).parents[1]
SHOWN = {"prepare": ["DIGITS"], "download": ["CIFAR_10"]}


def test_the_menu_names_every_command_and_each_leads_to_a_script():
    code = "import sys; from biodeephashing.cli import main; main([]); print(*sorted({m.partition('.')[0] for m in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *menu, modules = done.stdout.splitlines()
    assert menu[0].startswith("usage: biodeephashing ")
    assert {line.split()[0] for line in menu if line.startswith("  ")} == set(COMMANDS)
    assert not {"torch", "numpy", "yaml", "mlflow"} & set(modules.split())
    for command in COMMANDS:
        place, _, rest = entrance_of([command, *SHOWN.get(command, []), "-h"])
        assert (callable(load(place)), rest) == (True, ["-h"]), command


def test_every_script_below_src_is_a_command():
    reached = {entrance_of([command, *SHOWN.get(command, [])])[0] for command in COMMANDS}
    per_method = {place.rpartition(":")[2] for place in reached if place.startswith("biodeephashing.models.entrances:")}
    reached = {place for place in reached if ".entrances:" not in place}
    trained = ("PenaltyStrategies", "ADSH", "CrossModal", "LLC")
    reached |= {
        f"biodeephashing.models.{method}.{command}:main" for method in trained for command in per_method
    }  # the same, for one method
    reached.remove("biodeephashing.models.rotation.entrance:main")  # the same, for each rotation
    reached |= {f"biodeephashing.models.{rotation}.{command}:main" for rotation in ("H2Q", "ITQ") for command in ("rotate", "predict")}
    for kind, command in (("process", "prepare"), ("download", "download")):
        names = [path.stem for path in (ROOT / "src/data" / kind).glob("[!_]*.py")]
        reached |= {entrance_of([command, name])[0] for name in names}
    scripts = [path for path in (ROOT / "src").rglob("*.py") if 'if __name__ == "__main__":' in path.read_text("utf-8")]
    modules = {".".join(("biodeephashing", *path.relative_to(ROOT / "src").with_suffix("").parts)) for path in scripts}
    assert {f"{module}:main" for module in modules} - {"biodeephashing.__main__:main"} == reached


def test_help_carries_the_name_of_the_command(capsys):
    for words, usage in (
        (["train", "PenaltyStrategies", "-h"], "usage: biodeephashing train [-h]"),
        (["prepare", "DIGITS", "-h"], "usage: biodeephashing prepare DIGITS [-h]"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert (ended.value.code, capsys.readouterr().out.startswith(usage)) == (0, True), words
    main(["download", "-h"])
    assert "CIFAR_10, ImageNet" in capsys.readouterr().out


def test_the_version_and_the_installed_command(capsys):
    main(["--version"])
    assert capsys.readouterr().out == f"biodeephashing {biodeephashing.__version__}\n"
    (entry,) = re.findall(r"\[project\.scripts\]\nbiodeephashing = \"([\w.]+):(\w+)\"", (ROOT / "pyproject.toml").read_text("utf-8"))
    assert callable(getattr(import_module(entry[0]), entry[1]))


def test_what_comes_next_is_said_as_the_user_calls_it(project_home, capsys):
    main(["prepare", "DIGITS"])
    assert "next: biodeephashing train PenaltyStrategies -exp" in capsys.readouterr().out
    run_script(ROOT / "src" / "data" / "process" / "DIGITS.py")
    assert "next: python src/models/PenaltyStrategies/train.py -exp" in capsys.readouterr().out
    main(["help"])
    assert "evaluate-codes" in capsys.readouterr().out


def test_unknown_names_are_answered_with_the_nearest():
    for words, named in (
        (["tarin"], "'train'"),
        (["evaluate_codes"], "'evaluate-codes'"),
        (["rotate", "HQ2", "-p", "DIGITS"], "'H2Q'"),
        (["study", "PenaltyStrategy", "-ep", "1"], "'PenaltyStrategies'"),
        (["prepare", "CIFAR10"], "'CIFAR_10'"),
        (["download", "DIGTS"], "CIFAR_10"),
        (["prepare", "-protocol", "cifar10-2"], "CIFAR_10"),
        (["train", "-lss", "DCH"], "-loss"),
    ):
        with pytest.raises(UsageError) as refused:
            main(words)
        assert named in str(refused.value), words


@pytest.fixture
def runs(project_home):
    """Three runs: one finished and evaluated, one finished whose settings are lost, one at work; each with checkpoints."""
    made = []
    for seed, status in enumerate(("finished", "finished", "training")):
        settings = Settings(
            database="TINY", experiment_name="shelf", architecture="bio-lenet", mode="fa", loss="DCH", number_of_bits=16, seed=seed
        )
        run = Run.of(settings)
        run.mark(status)
        write_json(run.hparams_file, hparams_of(settings))
        for name, size in (("epoch=2-val_mAP=0.50000000.ckpt", 1500), ("best-epoch=3.ckpt", 70), ("last.ckpt", 5)):
            (run.directory / name).write_bytes(bytes(size))
        made.append(run)
    made[1].hparams_file.write_text("{")
    codes = {"query": "aa", "database": "bb"}
    folds = {fold: {"": {"codes_sha256": digest}} for fold, digest in codes.items()}
    write_predictions(made[0].predictions_file, Predictions(Fingerprint("", "best-epoch=3.ckpt"), 16, folds))
    write_json(made[0].evaluation_file("query"), {"mAP_expected": 0.8125, "codes_sha256": codes})
    return made


def test_the_list_of_runs(runs, capsys):
    main(["list", "-db", "TINY"])
    lines = capsys.readouterr().out.splitlines()
    rows = {(line.split()[5], line.split()[6]): line.split() for line in lines[2:5]}
    assert rows["0", "finished"][:5] == ["TINY/shelf", "PenaltyStrategies", "DCH", "16", "fa"]
    assert {key: row[7] for key, row in rows.items()} == {("0", "finished"): "0.8125", ("?", "finished"): "-", ("2", "training"): "-"}
    assert lines[-1].startswith("3 runs, ")
    write_predictions(
        runs[0].predictions_file, Predictions(Fingerprint("", "best-epoch=3.ckpt"), 16, {})
    )  # now the score is of former codes
    assert [one.score for one in list_runs("TINY", "shelf")] == [None] * 3
    with pytest.raises(RunError, match="nearest is -exp shelf"):
        main(["list", "-exp", "self"])


def test_pruning_removes_intermediate_checkpoints_of_finished_runs_alone(runs, capsys):
    main(["list", "-prune"])
    assert "removed 2 intermediate checkpoints of finished runs: 3.0 kB freed" in capsys.readouterr().out
    left = [sorted(path.name for path in run.directory.glob("*.ckpt")) for run in runs]
    assert left == [["best-epoch=3.ckpt", "last.ckpt"]] * 2 + [["best-epoch=3.ckpt", "epoch=2-val_mAP=0.50000000.ckpt", "last.ckpt"]]
    main(["list", "-prune"])
    assert "removed 0 intermediate checkpoints" in capsys.readouterr().out


def test_an_empty_list(project_home, capsys):
    main(["list"])
    assert "no runs yet" in capsys.readouterr().out
