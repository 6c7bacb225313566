"""Prepare CIFAR-10: per class 500 train, 100 query and 100 val images, the rest database; all disjoint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from biodeephashing.arguments import StrictParser
from biodeephashing.errors import DataError, guard

if TYPE_CHECKING:
    from biodeephashing.data._cifar import Official
    from biodeephashing.data._prepare import Content
    from biodeephashing.data.split import Split

SIZES = {"train": 500, "query": 100, "val": 100}
SEED = 0


def process(*, allow_partial: bool = False, no_skip: bool = False, official: Official | None = None) -> tuple[Split, bool]:
    """Write CIFAR-10 to ``data/processed/CIFAR_10/``, unless it is there already.

    The five training batches and the test batch are joined, their indices shuffled once (seed 0), and each class is
    dealt out in that order: 500 images to train, 100 to query, 100 to val, the rest to the database.

    Args:
        allow_partial: make do with an incomplete download; the split then says so beside every number.
        no_skip: write it again even if it is there.
        official: addresses and checksums.

    Returns:
        The facts about the split, and whether it was written now.

    Raises:
        DataError: when the download is missing, incomplete or damaged, or what is prepared is partial and that was
            not allowed.
    """
    from biodeephashing.data import _cifar
    from biodeephashing.data._prepare import prepare

    split, written = prepare(_cifar.DATABASE, lambda: _content(allow_partial, official or _cifar.Official()), no_skip=no_skip)
    if split.partial and not allow_partial:
        raise DataError(
            f"CIFAR_10 is prepared from {split.note}: complete the download (`python src/data/download/CIFAR_10.py`) and run this "
            f"command with -no_skip, or give -allow_partial to keep it"
        )
    return split, written


def _content(allow_partial: bool, official: Official) -> Content:
    from PIL import Image

    from biodeephashing.data import _cifar, _splits
    from biodeephashing.data._prepare import Content
    from biodeephashing.runs import raw_folder

    folder = raw_folder(_cifar.DATABASE) / _cifar.FOLDER
    present = _cifar.verified(folder, official)
    names = [name for name in official.batches if name in present]
    _check_complete(folder, [name for name in official.files if name not in present], names, allow_partial)
    batches = _cifar.read_batches(folder, names, official)
    classes = _cifar.read_class_names(folder)
    total = len(batches.files)
    return Content(
        files=batches.files,
        labels=_splits.one_hot(batches.classes, len(classes)),
        classes=classes,
        folds=_splits.per_class(batches.classes, SIZES, names=classes, seed=SEED),
        write_image=lambda row, path: Image.fromarray(batches.image(row)).save(path),
        protocol="disjoint",
        rule="per class, after one shuffle of all images: 500 train, 100 query, 100 val, the rest database",
        seed=SEED,
        source=official.url,
        note="" if total == official.total else f"{total:,} of {official.total:,} images",
    )


def _check_complete(folder: Path, missing: list[str], batches: list[str], allow_partial: bool) -> None:
    command = "`python src/data/download/CIFAR_10.py`"
    if not batches or missing[:1] == ["batches.meta"]:
        raise DataError(f"{folder} holds no CIFAR-10 batches with their class names ({', '.join(missing)} missing): run {command} first")
    if missing and not allow_partial:
        raise DataError(
            f"CIFAR-10 is incomplete: {', '.join(missing)} missing in {folder}. Run {command}, "
            f"or give -allow_partial to prepare what is there (every number made from it will say so)"
        )


def main() -> None:
    """Run the command line."""
    parser = StrictParser(description=__doc__)
    parser.add_argument("-allow_partial", "--allow_partial", action="store_true", help="make do with an incomplete download")
    parser.add_argument("-no_skip", "--no_skip", action="store_true", help="prepare it again even if it is there")
    options = parser.parse_args()
    split, written = process(allow_partial=options.allow_partial, no_skip=options.no_skip)
    print(split.caption if written else f"already prepared, nothing to do (-no_skip prepares it again): {split.caption}")
    train = (
        "python src/models/PenaltyStrategies/train.py -exp bioexp -db CIFAR_10 -bs 128 -ep 20 -arch bio-vgg16 -loss DCH -nbits 32 -mode fa"
    )
    print(f"next: {train}")


if __name__ == "__main__":
    raise SystemExit(guard(main))
