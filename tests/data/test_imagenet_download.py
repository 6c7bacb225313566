"""ImageNet from Kaggle, whose client is played by one of a few lines that behaves as the real one does."""

from __future__ import annotations

import sys
import types
import zipfile
from pathlib import Path

import pytest
import requests

from biodeephashing.cli import main
from biodeephashing.data.sets import ImageNet
from biodeephashing.errors import DataError

IMAGES = "ILSVRC/Data/CLS-LOC"
FILES = {
    f"{IMAGES}/train/n01440764/n01440764_1.JPEG": b"tench",
    f"{IMAGES}/train/n01440764/n01440764_2.JPEG": b"another tench",
    f"{IMAGES}/train/n01443537/n01443537_1.JPEG": b"goldfish",
    f"{IMAGES}/val/ILSVRC2012_val_00000001.JPEG": b"unknown",
    "LOC_synset_mapping.txt": b"n01440764 tench\n",
    "LOC_val_solution.csv": b"ImageId,PredictionString\n",
}
OTHERS = {f"{IMAGES}/test/ILSVRC2012_test_00000001.JPEG": b"x", "ILSVRC/Annotations/CLS-LOC/val/ILSVRC2012_val_00000001.xml": b"x"}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageNet, "_TRAIN", 3)
    monkeypatch.setattr(ImageNet, "_VAL", 1)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    file = tmp_path / "elsewhere" / f"{ImageNet.COMPETITION}.zip"
    file.parent.mkdir()
    with zipfile.ZipFile(file, "w") as opened:
        for name, content in (FILES | OTHERS).items():
            opened.writestr(name, content)
    return file


def raw(home: Path) -> Path:
    return home / "data" / "raw" / "ImageNet"


def files(home: Path) -> dict[str, bytes]:
    present = {path.relative_to(raw(home)).as_posix(): path for path in raw(home).rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in present.items() if not name.endswith(".zip")}


def install(monkeypatch: pytest.MonkeyPatch, authenticate=None, download=None) -> None:  # type: ignore[no-untyped-def]
    class KaggleApi:
        def authenticate(self) -> None:
            sys.stdout.write("Kaggle's own long explanation")
            if authenticate:
                authenticate()

        def competition_download_files(self, competition: str, path: str, quiet: bool) -> None:
            assert competition == "imagenet-object-localization-challenge"
            download(Path(path) / f"{competition}.zip")

    module = types.ModuleType("kaggle.api.kaggle_api_extended")
    module.KaggleApi = KaggleApi  # type: ignore[attr-defined]
    for name in ("kaggle", "kaggle.api"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, module.__name__, module)


def raising(error: BaseException):  # type: ignore[no-untyped-def]
    def function(*arguments: object) -> None:
        raise error

    return function


def refusal(status: int) -> requests.HTTPError:
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError(f"{status} Client Error", response=response)


def test_from_kaggle(project_home: Path, archive: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    install(monkeypatch, download=lambda target: target.write_bytes(archive.read_bytes()))
    assert main(["download", "ImageNet"]) == 0
    assert files(project_home) == FILES
    assert [path.name for path in raw(project_home).iterdir() if path.name.startswith(ImageNet.COMPETITION)] == [archive.name]
    out = capsys.readouterr().out
    assert out.endswith("next: biodeephashing prepare ImageNet\n")
    assert "long explanation" not in out
    install(monkeypatch, authenticate=raising(AssertionError("it is all there")))
    assert ImageNet.fetch() == []


def test_interrupted_download_does_not_look_finished(project_home: Path, archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = archive.read_bytes()

    def half(target: Path) -> None:
        target.write_bytes(content[:500])
        raise requests.ConnectionError("the line broke")

    def rest(target: Path) -> None:
        assert target.read_bytes() == content[:500]  # the client goes on from what is there
        target.write_bytes(content)

    install(monkeypatch, download=half)
    with pytest.raises(DataError, match="the line broke; what has arrived is preserved, and the same command resumes there"):
        ImageNet.fetch()
    assert not (raw(project_home) / archive.name).exists()
    install(monkeypatch, download=rest)
    assert ImageNet.fetch() == []


@pytest.mark.parametrize("error", [SystemExit(1), OSError("Could not find kaggle.json"), ValueError("Missing username"), refusal(500)])
def test_no_token(project_home: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    install(monkeypatch, authenticate=raising(error))
    with pytest.raises(DataError, match=r"kaggle\.json .*~/\.kaggle/.*chmod 600 .*accept the rules .*-from PATH"):
        ImageNet.fetch()


def test_client_that_ends_the_program_when_it_is_imported(project_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "kaggle"]:
        monkeypatch.delitem(sys.modules, name)
    (tmp_path / "packages" / "kaggle").mkdir(parents=True)
    (tmp_path / "packages" / "kaggle" / "__init__.py").write_text("exit(1)")
    monkeypatch.syspath_prepend(tmp_path / "packages")
    with pytest.raises(DataError, match=r"kaggle\.json"):
        ImageNet.fetch()


def test_no_client(project_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("kaggle", "kaggle.api", "kaggle.api.kaggle_api_extended"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(DataError, match=r"the package kaggle is not installed .*pip install -r requirements\.txt"):
        ImageNet.fetch()


def test_the_real_client_without_a_token(project_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "kaggle"]:
        monkeypatch.delitem(sys.modules, name)
    for variable in ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    for variable in ("HOME", "USERPROFILE", "KAGGLE_CONFIG_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(variable, str(project_home))
    with pytest.raises(DataError, match=r"kaggle\.json"):
        ImageNet.fetch()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("status", "text"), [(403, "accept the rules of the competition"), (401, "the token is not valid"), (404, "404")])
def test_refused(project_home: Path, monkeypatch: pytest.MonkeyPatch, status: int, text: str) -> None:
    install(monkeypatch, download=raising(refusal(status)))
    with pytest.raises(DataError, match=f"cannot download .* from Kaggle: .*{text}"):
        ImageNet.fetch()


def test_nothing_on_the_disk(project_home: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no file or directory"):
        ImageNet.fetch(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="the directory ILSVRC of the archive is expected in it"):
        ImageNet.fetch(tmp_path / "empty")


@pytest.mark.parametrize("folder", [False, True])
def test_from_an_archive_on_the_disk(project_home: Path, archive: Path, folder: bool) -> None:
    assert ImageNet.fetch(archive.parent if folder else archive) == []
    assert files(project_home) == FILES


@pytest.mark.parametrize("inner", ["", "ILSVRC"])
def test_from_an_unpacked_folder(project_home: Path, archive: Path, tmp_path: Path, inner: str) -> None:
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(tmp_path / "unpacked")
    assert ImageNet.fetch(tmp_path / "unpacked" / inner) == []
    assert {name for name in files(project_home) if name.startswith("ILSVRC")} == {name for name in FILES if name.startswith("ILSVRC")}


def test_only_what_lists_name(project_home: Path, archive: Path, tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "train.txt").write_text("/home/somebody/image/n01440764_2.JPEG 1 0\nn01440764_9.JPEG 0 1\n")
    (tmp_path / "lists" / "test.txt").write_text("val_image/ILSVRC2012_val_00000001.JPEG 0 1\n")
    assert ImageNet.fetch(archive, tmp_path / "lists") == ["2 of 3 images"]
    images = {Path(name).name for name in files(project_home) if name.endswith(".JPEG")}
    assert images == {"n01440764_2.JPEG", "ILSVRC2012_val_00000001.JPEG"}
    (tmp_path / "lists" / "train.txt").write_text("/home/somebody/image/n01440764_2.JPEG 1 0\n")
    assert ImageNet.fetch(tmp_path / "nowhere", tmp_path / "lists") == []  # all there: nothing is looked for


def test_lists_of_something_else(project_home: Path, tmp_path: Path) -> None:
    for folder in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(DataError, match="holds no lists that name images of ImageNet"):
            ImageNet.fetch(None, folder)


def test_damaged_archive(project_home: Path, archive: Path) -> None:
    archive.write_bytes(archive.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"is not a whole archive"):
        ImageNet.fetch(archive)
