"""Prepare ImageNet-100 from the lists of the HashNet release: 13,000 train inside 128,503 database, 2,500 query and 2,500 val images."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from biodeephashing.data._catalogue import check_protocol
from biodeephashing.data.process._entrance import list_files, parser_of, report
from biodeephashing.errors import guard

if TYPE_CHECKING:
    from biodeephashing.data._prepare import Content
    from biodeephashing.data.split import Split

SIZES = {"train": 13_000, "query": 5_000, "database": 128_503}
CLASSES = 100
VAL = 25  # images per class
SEED = 0
_LISTS = "the lists train.txt, test.txt and database.txt of the HashNet release"


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
    from biodeephashing.data._prepare import prepare

    check_protocol("ImageNet", protocol)
    return prepare(protocol, lambda: _content(protocol, lists), no_skip=no_skip, skip_unreadable=skip_unreadable)


def _content(name: str, folder: Path | None) -> Content:
    from biodeephashing.data import _imagenet, _lists, _splits
    from biodeephashing.runs import raw_folder

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


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    options = parser_of("ImageNet", __doc__, lists="all protocols").parse_args(argv)
    report(*process(options.protocol, options.lists, no_skip=options.no_skip, skip_unreadable=options.skip_unreadable))


if __name__ == "__main__":
    raise SystemExit(guard(main))
