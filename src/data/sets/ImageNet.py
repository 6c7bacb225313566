"""ImageNet (Russakovsky et al., ImageNet large scale visual recognition challenge, 2015): where it is published, and its splits."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from ...errors import DataError
from ...runs import only_process, raw_folder
from ...settings.strict_parser import command_line
from .. import _imagenet, _lists, _splits
from .._catalogue import check_protocol
from .._kaggle import COMPETITION, ELSEWHERE, ask_kaggle
from .._parts import Part, placing, unpack
from .._prepare import prepare
from .._raw import take_files
from ..content import Content
from ..split import Split
from ._hashnet import list_files

IMAGES = "ILSVRC/Data/CLS-LOC"
_TRAIN, _VAL = 1_281_167, 50_000
_UNPACKED = 1 << 38  # bytes; the archive has 166 GB
SIZES = {"train": 13_000, "query": 5_000, "database": 128_503}
CLASSES = 100
VAL = 25  # images per class
SEED = 0
_LISTS = "the lists train.txt, test.txt and database.txt of the HashNet release"


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
    if source is not None and (source / f"{COMPETITION}.zip").is_file():
        source = source / f"{COMPETITION}.zip"
    names = named_images(lists) if lists else None
    raw = raw_folder("ImageNet")
    raw.mkdir(parents=True, exist_ok=True)
    with only_process(raw.with_name(f".{raw.name}.lock")):
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
                ask_kaggle(archive)
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


def obtain(source: Path | None = None, lists: Path | None = None) -> tuple[str, bool]:
    """Bring ImageNet to ``data/raw/ImageNet/``.

    Args:
        source: an archive or a folder that is already on disk; None downloads.
        lists: a folder of HashNet lists; only the images named in its ``.txt`` files are unpacked.

    Returns:
        What there is to say about it, and whether it is complete.

    Raises:
        UsageError: for arguments that cannot be used.
        DataError: when the files cannot be had or are damaged.
    """
    missing = download(source, lists)
    if missing:
        return f"ImageNet is incomplete in data/raw/ImageNet/: {'; '.join(missing)}\n{ELSEWHERE}.", False
    text = f"ImageNet is complete in data/raw/ImageNet/ ({COMPETITION}.zip there may be deleted)"
    return f"{text}\nnext: {command_line('src/data/process/ImageNet.py')}", True


def process(
    protocol: str = "ImageNet_test", lists: Path | None = None, *, no_skip: bool = False, skip_unreadable: Fraction = Fraction()
) -> tuple[Split, bool]:
    """Write ImageNet-100 to ``data/processed/<protocol>/``, unless it is there already; images are linked, not copied, where possible.

    Args:
        protocol: "ImageNet_test" (the test list is divided into queries and validation) or "imagenet100" (all of it are queries).
        lists: folder of the lists; None is ``data/raw/ImageNet/lists/``.
        no_skip: write it again even if it is there.
        skip_unreadable: the largest share of the images that may be left out because they cannot be decoded.

    Returns:
        The facts about the split, and whether it was written now.

    Raises:
        UnknownNameError: for an unknown protocol.
        DataError: when an image or a list is missing or damaged.
    """
    check_protocol("ImageNet", protocol)
    return prepare(protocol, lambda: _content(protocol, lists), no_skip=no_skip, skip_unreadable=skip_unreadable)


def _content(name: str, folder: Path | None) -> Content:
    raw = raw_folder("ImageNet")
    lists = _lists.read_lists(list_files(folder or raw / "lists"), columns=CLASSES)
    listed, folds = _lists.join(lists, _imagenet.images_folder(raw), _imagenet.place)
    table = _imagenet.with_synsets(listed)
    table.check_present(_imagenet.ADVICE)
    if name == "ImageNet_test":
        test = folds["query"]
        folds |= {"query": test[::2], "val": test[1::2]}
        rule = f"{_LISTS}; lines 1, 3, 5, ... of test.txt are queries, lines 2, 4, 6, ... val"
        protocol = _splits.Protocol("train in database", rule, SEED, ("train-database",))
    else:
        rest = _lists.outside(folds)
        drawn = _splits.per_class(table.labels[rest].argmax(axis=1), {"val": VAL}, names=table.classes, seed=SEED)
        folds["val"] = rest[drawn["val"]]
        rule = (
            f"{_LISTS}, test.txt being the queries; val: {VAL} images per class of the database that are not in train.txt, "
            "after one shuffle; they stay in the database"
        )
        protocol = _splits.Protocol(name, rule, SEED, ("train-database", "val-database"))
    return table.content(folds, protocol, source=_lists.source_of(lists), note=_lists.published(lists, SIZES))
