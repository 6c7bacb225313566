"""Prepare CIFAR-10: by default, per class 500 train, 100 query and 100 val images, the rest database; all disjoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from biodeephashing.data._catalogue import check_protocol
from biodeephashing.data.process._entrance import parser_of, report
from biodeephashing.errors import DataError, guard

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from biodeephashing.data._cifar import Official
    from biodeephashing.data._prepare import Content
    from biodeephashing.data._splits import Protocol
    from biodeephashing.data.split import Split

SIZES = {"train": 500, "query": 100, "val": 100}
SEED = 0
_DRAWN = "per class, after one shuffle of all images: 500 train, 100 query, 100 val, the rest database"


def process(
    protocol: str = "CIFAR_10", *, allow_partial: bool = False, no_skip: bool = False, official: Official | None = None
) -> tuple[Split, bool]:
    """Write CIFAR-10 to ``data/processed/<protocol>/``, unless it is there already.

    The five training batches and the test batch are joined, their indices shuffled once (seed 0), and each class is
    dealt out in that order: 500 images to train, 100 to query, 100 to val, the rest to the database. The protocols
    cifar10 and cifar10-1 have the same training, query and validation images; their databases also hold those of val,
    or of val and train. The protocol cifar10-2 takes the official test batch as queries, and the training batches as
    training set and database.

    Args:
        protocol: "CIFAR_10", "cifar10", "cifar10-1" or "cifar10-2".
        allow_partial: make do with an incomplete download; the split then says so beside every number.
        no_skip: write it again even if it is there.
        official: addresses and checksums.

    Returns:
        The facts about the split, and whether it was written now.

    Raises:
        UnknownNameError: for an unknown protocol.
        DataError: when the download is missing, incomplete or damaged, or what is prepared is partial and that was
            not allowed.
    """
    from biodeephashing.data import _cifar
    from biodeephashing.data._prepare import prepare

    check_protocol("CIFAR_10", protocol)
    split, written = prepare(protocol, lambda: _content(protocol, allow_partial, official or _cifar.Official()), no_skip=no_skip)
    if split.partial and not allow_partial:
        raise DataError(
            f"{protocol} is prepared from {split.note}: complete the download (`python src/data/download/CIFAR_10.py`) and run this "
            f"command with -no_skip, or give -allow_partial to keep it"
        )
    return split, written


def _protocol(name: str) -> Protocol:
    from biodeephashing.data._splits import Protocol

    if name == "CIFAR_10":
        return Protocol("disjoint", _DRAWN, SEED)
    if name == "cifar10":
        return Protocol(name, f"{_DRAWN}; the database also holds the val images, but not the training images", SEED, ("val-database",))
    if name == "cifar10-1":
        rule = f"{_DRAWN}; the database also holds the training and the val images: all but the queries"
        return Protocol(name, rule, SEED, ("train-database", "val-database"))
    rule = (
        "queries: the official test batch; train and database: the official training batches; val: 100 images per class of these, after "
        "one shuffle, which are trained on as well, so val mAP is no measure of what was learned"
    )
    return Protocol(name, rule, SEED, ("train-val", "train-database", "val-database"))


def _content(name: str, allow_partial: bool, official: Official) -> Content:
    from PIL import Image

    from biodeephashing.data import _cifar, _splits
    from biodeephashing.data._prepare import Content
    from biodeephashing.runs import raw_folder

    folder = raw_folder(_cifar.DATABASE) / _cifar.FOLDER
    present = _cifar.verified(folder, official)
    names = [file for file in official.batches if file in present]
    _check_complete(folder, [file for file in official.files if file not in present], names, allow_partial)
    batches = _cifar.read_batches(folder, names, official)
    classes = _cifar.read_class_names(folder)
    protocol = _protocol(name)
    if name == "cifar10-2":
        folds = _official_folds(folder, names, batches.classes, classes, official)
    else:
        folds = _splits.share(_splits.per_class(batches.classes, SIZES, names=classes, seed=SEED), protocol.shared)
    total = len(batches.files)
    return Content(
        files=batches.files,
        labels=_splits.one_hot(batches.classes, len(classes)),
        classes=classes,
        folds=folds,
        write_image=lambda row, path: Image.fromarray(batches.image(row)).save(path),
        protocol=protocol.name,
        rule=protocol.rule,
        seed=SEED,
        source=official.url,
        note="" if total == official.total else f"{total:,} of {official.total:,} images",
        shared=protocol.shared,
        reading={"labels": "one class number per image"},
    )


def _official_folds(
    folder: Path, batches: list[str], numbers: NDArray[np.int64], classes: list[str], official: Official
) -> dict[str, NDArray[np.int64]]:
    import numpy as np

    from biodeephashing.data import _cifar, _splits

    if batches[-1] != _cifar.TEST_BATCH or len(batches) == 1:
        raise DataError(f"cifar10-2 needs {_cifar.TEST_BATCH} and a training batch in {folder}: run `python src/data/download/CIFAR_10.py`")
    train, query = np.split(np.arange(len(numbers)), [len(numbers) - official.per_batch])
    val = _splits.per_class(numbers[train], {"val": SIZES["val"]}, names=classes, seed=SEED)["val"]
    return {"train": train, "val": val, "query": query, "database": train}


def _check_complete(folder: Path, missing: list[str], batches: list[str], allow_partial: bool) -> None:
    command = "`python src/data/download/CIFAR_10.py`"
    if not batches or missing[:1] == ["batches.meta"]:
        raise DataError(f"{folder} holds no CIFAR-10 batches with their class names ({', '.join(missing)} missing): run {command} first")
    if missing and not allow_partial:
        raise DataError(
            f"CIFAR-10 is incomplete: {', '.join(missing)} missing in {folder}. Run {command}, "
            f"or give -allow_partial to prepare what is there (every number made from it will say so)"
        )


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = parser_of("CIFAR_10", __doc__, images=False)
    parser.add_argument("-allow_partial", "--allow_partial", action="store_true", help="make do with an incomplete download")
    options = parser.parse_args(argv)
    report(*process(options.protocol, allow_partial=options.allow_partial, no_skip=options.no_skip))


if __name__ == "__main__":
    raise SystemExit(guard(main))
