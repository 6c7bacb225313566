"""The first training that is proposed for a dataset just prepared."""

from argparse import Namespace
from pathlib import Path

import pytest
from paired_dataset import prepare_pairs

from biodeephashing.commands import prepare
from biodeephashing.data import read_split
from biodeephashing.data.sets.dataset import PublicDataset, public_dataset
from biodeephashing.models.CrossModal.settings import Settings
from biodeephashing.settings.flags import collect_settings
from biodeephashing.settings.parsers import train_parser
from biodeephashing.settings.strict_parser import called


def test_a_dataset_with_texts_is_for_two_towers(
    project_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    split = read_split(prepare_pairs())
    monkeypatch.setattr(PublicDataset, "prepare", lambda self: (split, True))
    prepare.prepare_public("GLYPHS", Namespace())
    proposed = capsys.readouterr().out.splitlines()[-1]
    assert proposed.startswith("next: python src/models/CrossModal/train.py -exp bioexp -db PAIRS ")
    for name in ("GLYPHS", "MS_COCO", "MIRFLICKR25K"):
        words = public_dataset(name).first_pair_training.split()
        settings = collect_settings(Settings, train_parser(Settings).parse_args([*words, "-db", "PAIRS"]))
        assert settings.transformations == ("dataset" if name == "GLYPHS" else "imagenet")


def test_small_images_of_matlab_files_are_for_a_small_network(
    project_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    split = read_split(prepare_pairs())
    monkeypatch.setattr(prepare, "prepare_mat", lambda: (split, True))
    prepare.prepare_pairs(Namespace())
    assert "-db PAIRS -trf dataset -arch bio-lenet" in capsys.readouterr().out
    with called("prepare"):
        prepare.prepare_pairs(Namespace())
    assert "next: biodeephashing train CrossModal -exp bioexp -db PAIRS " in capsys.readouterr().out
