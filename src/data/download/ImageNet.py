"""Download ImageNet (Russakovsky et al., ImageNet large scale visual recognition challenge, 2015) from Kaggle to data/raw/ImageNet/."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from biodeephashing.arguments import StrictParser
from biodeephashing.errors import DataError, guard

COMPETITION = "imagenet-object-localization-challenge"
IMAGES = "ILSVRC/Data/CLS-LOC"
_TRAIN, _VAL = 1_281_167, 50_000
_UNPACKED = 1 << 38  # bytes; the archive has 166 GB
_TOKEN = (
    "Kaggle wants to know who asks: make an account on kaggle.com, choose Settings, API, Create Legacy API Key, put the file "
    "kaggle.json that it hands out into ~/.kaggle/ (on Windows, %USERPROFILE%\\.kaggle\\), and let nobody else read it: "
    "chmod 600 ~/.kaggle/kaggle.json"
)
_RULES = f"accept the rules of the competition, once, on https://www.kaggle.com/c/{COMPETITION}/rules"
_ELSEWHERE = f"`python src/data/download/ImageNet.py -from PATH` takes {COMPETITION}.zip, or the unpacked folder ILSVRC, from disk"


def download(source: Path | None = None, lists: Path | None = None) -> list[str]:
    """Bring ImageNet to ``data/raw/ImageNet/ILSVRC/Data/CLS-LOC/``, all of it or what is named in lists.

    Args:
        source: the archive, or a folder of unpacked files, that is already on disk; None downloads.
        lists: a folder of HashNet lists; only the images named in its ``.txt`` files are unpacked.

    Returns:
        What is still missing, in words.

    Raises:
        DataError: when the files cannot be had or are damaged, or the lists name no images.
    """
    from filelock import FileLock

    from biodeephashing.data._parts import unpack
    from biodeephashing.data._raw import take_files
    from biodeephashing.runs import raw_folder

    if source is not None and (source / f"{COMPETITION}.zip").is_file():
        source = source / f"{COMPETITION}.zip"
    names = named_images(lists) if lists else None
    raw = raw_folder("ImageNet")
    raw.mkdir(parents=True, exist_ok=True)
    with FileLock(raw.with_name(f".{raw.name}.lock")):
        if not _lacks(raw, names):
            return []
        if source is not None and source.is_dir():
            if not take_files(source, raw, _placing(names)):
                raise DataError(f"{source} holds no images of ImageNet: the folder ILSVRC of the archive is expected in it")
        else:
            archive = source or raw / f"{COMPETITION}.zip"
            if not archive.is_file():
                if source is not None:
                    raise DataError(f"there is no file or folder {source}: -from takes {COMPETITION}.zip or the unpacked folder ILSVRC")
                _ask_kaggle(archive)
            unpack(archive, raw, _placing(names), limit=_UNPACKED)
        return _lacks(raw, names)


def named_images(lists: Path) -> set[str]:
    """Return the file names that stand at the beginning of the lines of HashNet lists.

    Args:
        lists: a folder of ``.txt`` files.

    Raises:
        DataError: when they name no images.
    """
    files = sorted(lists.glob("*.txt")) if lists.is_dir() else []
    lines = [line for file in files for line in file.read_text("utf-8").splitlines() if line.strip()]
    names = {line.split()[0].rpartition("/")[2] for line in lines}
    names = {name for name in names if name.endswith(".JPEG")}
    if not names:
        raise DataError(f"{lists} holds no lists that name images of ImageNet: .txt files with lines like train/n01440764_10026.JPEG 1 0 …")
    return names


def _placing(names: set[str] | None) -> Callable[[str], str | None]:
    from biodeephashing.data._parts import Part, placing

    parts = [Part(f"{IMAGES}/train/*/*.JPEG", _TRAIN), Part(f"{IMAGES}/val/*.JPEG", _VAL)]
    image, other = placing(parts), placing([Part("LOC_synset_mapping.txt", 1), Part("LOC_val_solution.csv", 1)])

    def place(member: str) -> str | None:
        goal = image(member)
        if goal is None:
            return other(member)
        return goal if names is None or goal.rpartition("/")[2] in names else None

    return place


def _lacks(raw: Path, names: set[str] | None) -> list[str]:
    train, val = raw / IMAGES / "train", raw / IMAGES / "val"
    if names is None:
        wanted, there = _TRAIN + _VAL, sum(1 for _ in train.glob("*/[!.]*.JPEG")) + sum(1 for _ in val.glob("[!.]*.JPEG"))
    else:
        wanted, there = len(names), sum((train / name.partition("_")[0] / name).is_file() or (val / name).is_file() for name in names)
    return [f"{there:,} of {wanted:,} images"] if there < wanted else []


def _ask_kaggle(archive: Path) -> None:
    """Download the archive; what has arrived of it lies in a folder of its own until it is whole."""
    waiting = archive.with_name(f"{archive.name}.part")
    waiting.mkdir(exist_ok=True)
    kaggle = _authenticated()
    try:
        kaggle.competition_download_files(COMPETITION, path=str(waiting), quiet=False)
    except (Exception, SystemExit) as error:  # which types it raises changes from version to version
        answer: int = getattr(getattr(error, "response", None), "status_code", 0) or getattr(error, "status", 0)
        todo = {401: f"the token is not valid. {_TOKEN}", 403: f"{_RULES}, with the account that the token belongs to"}
        why = todo.get(answer, f"{error}; what has arrived is kept, and the same command goes on")
        raise DataError(f"cannot download ImageNet from Kaggle: {why}. {_ELSEWHERE}.") from error
    found = waiting / archive.name
    if not found.is_file():
        raise DataError(f"Kaggle's client ended without having written {found}. {_ELSEWHERE}.")
    found.replace(archive)
    with contextlib.suppress(OSError):  # a later version of the client may leave a file of its own
        waiting.rmdir()


def _authenticated() -> Any:
    """Return Kaggle's client, which looks for a token as soon as it is imported and ends the program when there is none."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            from kaggle.api.kaggle_api_extended import KaggleApi

            client = KaggleApi()
            client.authenticate()
    except ImportError as error:
        raise DataError(f"the package kaggle is not installed ({error}): pip install -r requirements.txt. {_ELSEWHERE}.") from error
    except (Exception, SystemExit) as error:  # as above
        raise DataError(f"Kaggle takes no requests from here. {_TOKEN}; then {_RULES}. {_ELSEWHERE}.") from error
    return client


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = StrictParser(description=__doc__, epilog=f"{_TOKEN}; then {_RULES}.")
    parser.add_argument(
        "-from", "--from", dest="source", type=Path, metavar="PATH", help="archive or folder ILSVRC that is already on disk"
    )
    parser.add_argument(
        "-lists",
        "--lists",
        type=Path,
        metavar="FOLDER",
        help="HashNet lists: unpack only the images they name",
    )
    options = parser.parse_args(argv)
    missing = download(options.source, options.lists)
    if missing:
        print(f"ImageNet is incomplete in data/raw/ImageNet/: {'; '.join(missing)}\n{_ELSEWHERE}.")
        return 1
    print(f"ImageNet is complete in data/raw/ImageNet/ ({COMPETITION}.zip there may be deleted)\nnext: python src/data/process/ImageNet.py")
    return 0


if __name__ == "__main__":
    raise SystemExit(guard(main))
