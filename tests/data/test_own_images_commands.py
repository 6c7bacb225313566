"""Own images on command lines: -db FOLDER:PATH stands for the plain name of a dataset, in every command."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from biodeephashing.data import read_split
from biodeephashing.data.own.images import check_source, prepare_own, prepare_source
from biodeephashing.data.process import FOLDER
from biodeephashing.errors import DataError, RunError, UnknownNameError, UsageError
from biodeephashing.eval import compare
from biodeephashing.models.PenaltyStrategies import predict, study, train
from biodeephashing.settings import CommonSettings
from biodeephashing.settings.flags import given_images
from biodeephashing.settings.own_images import own_place

SETTINGS = shlex.split("-exp own -trf none -arch bio-lenet -loss DCH -nbits 8 -bs 8 -ep 1 -nw 0 -device cpu")


class TestCommands:
    @pytest.fixture
    def shades(self, tmp_path: Path, project_home: Path) -> Path:
        generator = np.random.default_rng(0)
        for name, level in (("dark", 60), ("light", 190)):
            for row in range(12):
                (tmp_path / "my shades" / name).mkdir(parents=True, exist_ok=True)
                pixels = (level + generator.integers(-40, 41, (32, 32, 3))).astype(np.uint8)
                Image.fromarray(pixels).save(tmp_path / "my shades" / name / f"{row}.png")
        return tmp_path / "my shades"

    @pytest.mark.slow
    def test_the_whole_way(
        self, shades: Path, project_home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(shades.parent)
        flags = [*SETTINGS, "-db", "FOLDER:my shades/"]
        with pytest.raises(UnknownNameError, match="unknown value for -loss 'DHC'"):
            train.main([*flags[: flags.index("DCH")], "DHC", *flags[flags.index("DCH") + 1 :]])
        assert not (project_home / "data").exists()
        train.main(flags)
        out = capsys.readouterr().out
        assert out.startswith(
            "FOLDER_my_shades, disjoint split (train 12, val 2, query 2, database 8)\n24 images, 2 classes (dark, light), "
        )
        predict.main(flags)
        (run,) = (project_home / "models/PenaltyStrategies/FOLDER_my_shades/own").iterdir()
        assert (run / "query-codes.npy").exists()
        predict.main(["-p", str(run), "-db", f"FOLDER:{shades}"])
        capsys.readouterr()
        train.main([*SETTINGS, "-db", "FOLDER_my_shades"])
        assert capsys.readouterr().out.startswith("skipped")
        train.main(flags)
        assert capsys.readouterr().out.startswith("skipped")
        study.main([*flags, "-jobs", "1"])
        assert "FOLDER_my_shades / own: learning rules compared" in capsys.readouterr().out
        compare.main(["-exp", "own", "-db", "FOLDER:my shades"])
        assert "FOLDER_my_shades / own: learning rules compared" in capsys.readouterr().out

    def test_the_wrong_place_is_refused(self, pets: Path, tmp_path: Path) -> None:
        prepare_own(pets)
        other = tmp_path / "second" / "pets"
        shutil.copytree(pets, other)
        flags = [*SETTINGS, "-db", f"FOLDER:{other}"]
        config = tmp_path / "study.yaml"
        config.write_text(f"database: 'FOLDER:{other}'\nnum_workers: 0\n")
        lines = ((train, flags), (predict, flags), (study, ["-config", str(config)]), (compare, ["-db", f"FOLDER:{other}"]))
        for command, line in lines:
            with pytest.raises(DataError, match=rf"was prepared from {pets}, not from {other}"):
                command.main(line)

    def test_predicting_prepares_nothing(self, pets: Path, project_home: Path) -> None:
        with pytest.raises(RunError, match="it was never trained"):
            predict.main([*SETTINGS, "-db", f"FOLDER:{pets}"])
        assert not (project_home / "data").exists()

    def test_what_a_text_means(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("HOME", str(tmp_path / "me"))
        assert own_place("FOLDER:a/../b/") == tmp_path / "b"
        assert own_place("FOLDER:~/pets") == Path(os.path.expanduser("~")) / "pets"  # noqa: PTH111
        assert own_place("CIFAR_10") is None
        assert own_place("folder:pets") is None
        with pytest.raises(UsageError, match="names no folder: write FOLDER:PATH"):
            own_place("FOLDER: ")
        assert CommonSettings.from_mapping({"db": "FOLDER:."}, "x").database == f"FOLDER_{tmp_path.name}"
        assert CommonSettings.from_mapping({"db": "FOLDER:pets.v2.CSV"}, "x").database == "FOLDER_pets.v2"
        with pytest.raises(UsageError, match="it must be a folder name"):
            CommonSettings.from_mapping({"db": "folder:pets"}, "x")

    def test_where_it_is_given(self, tmp_path: Path) -> None:
        from argparse import Namespace

        config = tmp_path / "a.yaml"
        config.write_text("db: FOLDER:/there\n")
        assert given_images(Namespace()) is None
        assert given_images(Namespace(), config) == Path("/there")
        assert given_images(Namespace(database=["DIGITS"]), config) is None
        assert prepare_source(None) == []
        check_source(None)

    def test_the_processor(self, pets: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (pets / "notes.txt").write_text("")
        FOLDER.main([str(pets), "-name", "PETS", "-fractions", "train=0.4,val=0.2,query=0.2", "-seed", "7"])
        lines = capsys.readouterr().out.splitlines()
        assert lines[:3] == [
            "left out: 1 .txt",
            "PETS, disjoint split (train 14, val 7, query 7, database 7)",
            "35 images, 3 classes (cat, dog, eel), 1 class per image, labels as one folder per class",
        ]
        assert lines[3].startswith("next: python src/models/PenaltyStrategies/train.py -exp bioexp -db PETS ")
        FOLDER.main([str(pets), "-name", "PETS"])
        assert "already prepared, nothing to do" in capsys.readouterr().out
        with pytest.raises(UsageError, match="seed"):
            FOLDER.main([str(pets), "-seed", "x"])
        assert read_split("PETS").seed == 7
