"""Registries: a mapping with a decorator, a duplicate check and helpful errors; and names found without import."""

import subprocess
import sys

import pytest

from biodeephashing import backbones, bio, losses, registry
from biodeephashing.errors import BioDeepHashingError, UnknownNameError
from biodeephashing.registry import Registry, declared_on_disk, names_on_disk


@pytest.fixture
def colours():
    colours = Registry("colour")
    colours.register("red")(1)
    colours.register("Blue")(2)
    return colours


def test_it_is_a_mapping(colours):
    assert dict(colours) == {"red": 1, "Blue": 2}
    assert len(colours) == 2
    assert "red" in colours
    assert "green" not in colours
    assert list(colours) == ["red", "Blue"]
    assert colours.get("green") is None


def test_the_decorator_returns_the_entry_itself(colours):
    @colours.register("grey")
    class Grey: ...

    assert colours["grey"] is Grey


def test_a_name_taken_twice(colours):
    with pytest.raises(BioDeepHashingError, match="colour 'red' is registered twice"):
        colours.register("red")(3)
    assert colours["red"] == 1


def test_an_unknown_name(colours):
    with pytest.raises(UnknownNameError, match=r"unknown colour 'blu': did you mean 'Blue'\? Known: Blue, red\."):
        colours["blu"]


@pytest.mark.parametrize(
    ("folder", "variable", "entries"),
    [
        ("losses", "LOSSES", losses.LOSSES),
        ("losses", "PENALTIES", losses.PENALTIES),
        ("bio", "RULES", bio.RULES),
        ("backbones", "BACKBONES", backbones.BACKBONES),
    ],
)
def test_names_on_disk_are_the_registered_names(folder, variable, entries):
    found = names_on_disk(folder, variable)
    assert found == tuple(sorted(entries, key=str.lower))
    assert declared_on_disk(folder, variable) == entries.facts
    assert len(found) > 0


def test_what_is_read_of_the_files_of_a_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "__file__", str(tmp_path / "registry.py"))
    folder = tmp_path / "shapes"
    folder.mkdir()
    (folder / "b.py").write_text('@SHAPES.register("square")\nclass A: ...\nSHAPES.register("Circle")(1)\n')
    (folder / "a.py").write_text(
        '"""@SHAPES.register("text")"""\n@COLOURS.register(\n    "red", help="warm", rank=-1)\nclass B: ...\n# SHAPES.register("comment")\n'
    )
    (folder / "c.txt").write_text('@SHAPES.register("text")\n')
    assert names_on_disk("shapes", "SHAPES") == ("Circle", "square")
    assert declared_on_disk("shapes", "COLOURS") == {"red": {"help": "warm", "rank": -1}}
    assert names_on_disk("shapes", "HAPES") == ()


def test_names_on_disk_imports_nothing_heavy():
    code = (
        "import sys; from biodeephashing.registry import names_on_disk; import biodeephashing.settings.parsers, "
        "biodeephashing.runs; assert 'DCH' in names_on_disk('losses', 'LOSSES'); "
        "print([m for m in ('torch', 'numpy', 'yaml', 'mlflow', 'lightning', 'biodeephashing.losses') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
