"""What declares itself: a penalty that is one file and one line, and the place of a field that its class does not give."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import biodeephashing
from biodeephashing.errors import BioDeepHashingError
from biodeephashing.losses import PENALTIES
from biodeephashing.models.PenaltyStrategies import Settings
from biodeephashing.settings import CommonSettings, setting

SOURCE = Path(biodeephashing.__file__).resolve().parent
DOCS = SOURCE.parent / "docs"
PENALTY = '''
from ._base import PENALTIES, Penalty

@PENALTIES.register("variance", help="weight of the variance of each bit")
class Variance(Penalty):
    """The variance."""

    def value(self, codes):
        return codes.var(dim=0).mean()
'''
CHECK = """
import runpy, sys
from biodeephashing.models.PenaltyStrategies import Settings
from biodeephashing.settings.yaml_file import read_config
from pathlib import Path

changed = Settings.from_mapping(read_config(Settings, Path(sys.argv[1])), "x.yaml")
print(Settings().name == changed.name.removesuffix("-variance_penalty=0.5"), changed.penalties["variance"])
print(changed.as_dict("train")["variance_penalty"])
print("`-variance_penalty`" in runpy.run_path(sys.argv[2])["page"]())
assert "torch" not in sys.modules
from biodeephashing.models.PenaltyStrategies.train import main
main(["-h"])
"""


def test_a_penalty_is_one_file_and_one_line(tmp_path):
    copy = tmp_path / "biodeephashing"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "losses" / "variance.py").write_text(PENALTY)
    with (copy / "losses" / "__init__.py").open("a") as file:
        file.write("from .variance import Variance\n")
    config = tmp_path / "x.yaml"
    config.write_text("variance_penalty: 0.5\n")
    command = [sys.executable, "-c", CHECK, str(config), str(DOCS / "build_settings.py")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False, env={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("True 0.5\n0.5\nTrue\nusage: ")
    assert "weight of the variance of each bit" in done.stdout


def test_the_weights_of_the_penalties_by_their_names():
    assert Settings(HSWD_penalty=0.3).penalties == dict.fromkeys(PENALTIES, 0.0) | {"HSWD": 0.3}


def test_a_field_stands_before_the_one_it_names():
    @dataclass(frozen=True)
    class Table(CommonSettings):
        last: int = setting(0, "last", "last")
        second: int = setting(0, "second", "second", before="number_of_bits")
        first: int = setting(0, "first", "first", before="second")

    names = [field.name for field, _ in Table.table()]
    assert names[names.index("database") + 1 :][:3] == ["first", "second", "number_of_bits"]
    assert names[-1] == "last"
    assert Table(first=1, last=2, second=3).name == "-first=1-second=3-nbits=1-seed=0-last=2"

    @dataclass(frozen=True)
    class Wrong(CommonSettings):
        lost: int = setting(0, "lost", "lost", before="nowhere")

    with pytest.raises(BioDeepHashingError, match="Wrong: no place before 'nowhere' for 'lost'"):
        Wrong()
