"""Prepare MS COCO 2014: by default 10,000 train, 5,000 query and 5,000 val images, the rest database; all disjoint."""

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

SIZES = {"train": 10_000, "query": 5_000, "val": 5_000}
CATEGORIES = 80
SEED = 0
_DEALT = "a shuffled list of 10,000 train, 5,000 query, 5,000 val and else database is assigned to the {images}"


def process(
    protocol: str = "MS_COCO", lists: Path | None = None, *, no_skip: bool = False, skip_unreadable: Fraction = Fraction()
) -> tuple[Split, bool]:
    """Write MS COCO to ``data/processed/<protocol>/``, unless it is there already; images are linked, not copied, where possible.

    Args:
        protocol: "MS_COCO" (all images, 90 columns of which ten are not used), "coco" (images with a label, 80 columns, the
            database is everything but the queries) or "coco-hashnet" (the lists of the HashNet release).
        lists: folder of these lists; None is ``data/raw/MS_COCO/lists/``.
        no_skip: write it again even if it is there.
        skip_unreadable: the largest share of the images that may be left out because they cannot be decoded.

    Returns:
        The facts about the split, and whether it was written now.

    Raises:
        UnknownNameError: for an unknown protocol.
        DataError: when the download, an image or a list is missing or damaged.
    """
    from biodeephashing.data._prepare import prepare

    check_protocol("MS_COCO", protocol)
    build = (lambda: _listed(lists)) if protocol == "coco-hashnet" else (lambda: _dealt(protocol))
    return prepare(protocol, build, no_skip=no_skip, skip_unreadable=skip_unreadable)


def _dealt(name: str) -> Content:
    from biodeephashing.data import _coco, _splits
    from biodeephashing.runs import raw_folder

    table = _coco.read(raw_folder("MS_COCO"))
    if name == "coco":
        table = _coco.only_used(table)
        rule = (
            f"{_DEALT.format(images='images with a label')}; the database also holds the training and the val images: all but the queries"
        )
        protocol = _splits.Protocol(name, rule, SEED, ("train-database", "val-database"))
    else:
        protocol = _splits.Protocol("disjoint", _DEALT.format(images="images, those without a label included"), SEED)
    table.check_present(_coco.ADVICE)
    folds = _splits.share(_splits.deal(len(table), SIZES, seed=SEED), protocol.shared)
    return table.content(folds, protocol, source=_coco.SOURCE)


def _listed(folder: Path | None) -> Content:
    from biodeephashing.data import _coco, _lists, _splits
    from biodeephashing.runs import raw_folder

    raw = raw_folder("MS_COCO")
    lists = _lists.read_lists(list_files(folder or raw / "lists"), columns=CATEGORIES)
    table, folds = _lists.join(lists, raw, _coco.place)
    table.check_present(_coco.ADVICE)
    rest = _lists.outside(folds)
    folds["val"] = rest[_splits.deal(len(rest), {"val": SIZES["val"]}, seed=SEED)["val"]]
    rule = (
        "the lists train.txt, test.txt (queries) and database.txt of the HashNet release, whose Caffe database contains the queries; "
        f"val: {SIZES['val']:,} images of the database that are in no other list, drawn after one shuffle; they stay in the database"
    )
    shared = ("train-database", "val-database", "query-database")
    note = _lists.published(lists, {fold: SIZES[fold] for fold in ("train", "query")})
    return table.content(folds, _splits.Protocol("coco-hashnet", rule, SEED, shared), source=_lists.source_of(lists), note=note)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    options = parser_of("MS_COCO", __doc__, lists="coco-hashnet").parse_args(argv)
    report(*process(options.protocol, options.lists, no_skip=options.no_skip, skip_unreadable=options.skip_unreadable))


if __name__ == "__main__":
    raise SystemExit(guard(main))
