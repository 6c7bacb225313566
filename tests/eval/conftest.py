"""Fixtures of the evaluation: fabricated runs and a store that is ready to be copied."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from fabricated_runs import write_run
from foreign_files import BITS
from matplotlib.figure import Figure
from ranking_oracle import Sample

from biodeephashing.runs import HOME_VARIABLE, Run


@pytest.fixture
def fabricated(tiny_database: str) -> Run:
    """A predicted run on the tiny data set, untracked."""
    return write_run(tiny_database)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a store without runs: creating its tables takes seconds, so it is done once."""
    home = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HOME_VARIABLE, str(home))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        from biodeephashing.tracking import start_parent

        start_parent("ANY", "experiment", "nothing", {})
    return home / "experiments" / "mlflow.db"


@pytest.fixture
def tracked_home(project_home: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project root with a store."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (project_home / "experiments").mkdir(exist_ok=True)
    shutil.copy(empty_store, project_home / "experiments" / "mlflow.db")
    return project_home


@pytest.fixture
def unrendered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are built and their files written, but no pixel is drawn: for tests of what stands in them and beside them."""
    monkeypatch.setattr(Figure, "savefig", lambda figure, file, **_: Path(file).write_bytes(b"not rendered"))


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, Figure]:
    """Every figure that a test has drawn, by the name of its file."""
    figures: dict[str, Figure] = {}
    save = Figure.savefig

    def keep(figure: Figure, file: Path, **options: object) -> None:
        figures[Path(file).name.split(".", 2)[2]] = figure  # a temporary name: .random.name
        save(figure, file, **options)

    monkeypatch.setattr(Figure, "savefig", keep)
    return figures


@pytest.fixture
def sample() -> Sample:
    """Nine queries and thirty items with features from -3 to 3, and so exact zeros."""
    return Sample(3, 9, 30, BITS)
