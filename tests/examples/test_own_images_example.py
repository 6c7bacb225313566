"""The example of own images goes all the way, learns something, and leaves nothing behind but what it was told to."""

import os
import subprocess
import sys
from pathlib import Path

import own_images

from biodeephashing.runs import HOME_VARIABLE

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_images.py"


def test_all_the_way(tmp_path, project_home, capsys):
    numbers = own_images.main(["-to", str(tmp_path / "there")])
    out = capsys.readouterr().out
    assert out.startswith("FOLDER_shapes, disjoint split (train 180, val 36, query 36, database 108)\n")
    assert "epoch 12/12" in out
    assert numbers["mAP"] > 0.8  # a third is chance
    assert numbers["datafold"] == "query"
    assert os.environ[HOME_VARIABLE] == str(project_home)
    assert len(list((tmp_path / "there/shapes/disc").iterdir())) == 120
    (run,) = (tmp_path / "there/models/PenaltyStrategies/FOLDER_shapes/shapes").iterdir()
    assert "-mode=frsf" in run.name
    assert not (project_home / "data").exists()


def test_nothing_stays(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv(HOME_VARIABLE, raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(own_images, "PER_CLASS", 10)
    monkeypatch.setitem(own_images.SETTINGS, "epochs", 1)
    own_images.main([])
    assert "epoch 1/1" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
    assert HOME_VARIABLE not in os.environ


def test_a_misspelt_flag(tmp_path):
    done = subprocess.run([sys.executable, str(EXAMPLE), "-too", str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: unknown flag -too: did you mean -to?")
