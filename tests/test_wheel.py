"""The built wheel holds the whole package, and its commands run where there is no source tree."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

import biodeephashing

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of a copy of the sources, so that no earlier build is part of it."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT / "src", folder / "tree" / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "tree")
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-index", "--no-build-isolation", "-w", str(folder), str(folder / "tree"))
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that has the wheel and, from the present one, everything but this project."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home)
    run(sys.executable, "-m", "pip", f"--python={home / 'bin' / 'python'}", "install", "--no-deps", "--no-index", str(wheel))
    (packages,) = home.glob("lib/python*/site-packages")
    # a .pth file inside a directory that is added this way is not read: the editable install of this project stays out
    (packages / "others.pth").write_text("\n".join(path for path in sys.path if path.endswith("-packages")))
    return home


def run(*command: str, cwd: Path | None = None) -> str:
    surroundings = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=cwd, env=surroundings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_holds_every_file_of_the_source_tree(wheel: Path) -> None:
    files = (path.relative_to(ROOT / "src") for path in (ROOT / "src").rglob("*") if path.is_file() and path.parent.name != "__pycache__")
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == {f"biodeephashing/{path.as_posix()}" for path in files}


@pytest.mark.parametrize(
    ("words", "shown"),
    [(["--version"], f"biodeephashing {biodeephashing.__version__}\n"), ([], "evaluate-codes"), (["train", "-h"], "--number_of_bits")],
    ids=["version", "menu", "train"],
)
def test_commands_of_the_wheel_run_elsewhere(environment: Path, tmp_path: Path, words: list[str], shown: str) -> None:
    assert shown in run(str(environment / "bin" / "biodeephashing"), *words, cwd=tmp_path)


def test_the_commands_are_those_of_the_wheel(environment: Path, tmp_path: Path) -> None:
    shown = run(str(environment / "bin" / "python"), "-c", "import biodeephashing; print(biodeephashing.__file__)", cwd=tmp_path)
    assert Path(shown.strip()).is_relative_to(environment)
