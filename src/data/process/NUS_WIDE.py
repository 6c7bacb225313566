"""Prepare NUS-WIDE: by default its 21 most frequent concepts, 10,500 train, 2,100 query and 2,100 val images, the rest database."""

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

SIZES = {"train": 10_500, "query": 2_100, "val": 2_100}
PER_CLASS = {"train": 500, "query": 100, "val": 100}
LEAST = 5_000  # images of a concept that is kept
LISTED = {  # labels in a line and lines of the lists of the HashNet release
    "nuswide_21_m": (21, {"train": 10_500, "query": 2_100}),
    "nuswide_81": (81, {"train": 10_000, "query": 5_000}),
}
SEED = 0
_KEPT = "the concepts with at least 5,000 images (21), most frequent first, and the images on disk that have one of them"


def process(
    protocol: str = "NUS_WIDE", lists: Path | None = None, *, no_skip: bool = False, skip_unreadable: Fraction = Fraction()
) -> tuple[Split, bool]:
    """Write NUS-WIDE to ``data/processed/<protocol>/``, unless it is there already; images are linked, not copied, where possible.

    Not all images can be had from Flickr any more, so what is split depends on what was fetched: the split says how many
    are missing, and its checksums tell whether two machines have the same.

    Args:
        protocol: "NUS_WIDE" (all disjoint), "nuswide_21" (drawn per class, the training images inside the database),
            "nuswide_21_m" or "nuswide_81" (the lists of the HashNet release).
        lists: folder of these lists; None is ``data/raw/NUS_WIDE/lists/``.
        no_skip: write it again even if it is there.
        skip_unreadable: the largest share of the images that may be left out because they cannot be decoded.

    Returns:
        The facts about the split, and whether it was written now.

    Raises:
        UnknownNameError: for an unknown protocol.
        DataError: when the download or a list is missing or damaged, or there are too few images.
    """
    from biodeephashing.data._prepare import prepare

    check_protocol("NUS_WIDE", protocol)
    build = (lambda: _listed(protocol, lists)) if protocol in LISTED else (lambda: _drawn(protocol))
    return prepare(protocol, build, no_skip=no_skip, skip_unreadable=skip_unreadable)


def _drawn(name: str) -> Content:
    from biodeephashing.data import _nus_wide, _splits
    from biodeephashing.runs import raw_folder

    table, note = _nus_wide.on_disk(_nus_wide.frequent(_nus_wide.read(raw_folder("NUS_WIDE")), LEAST))
    if name == "nuswide_21":
        rule = (
            f"{_KEPT}; after one shuffle, from the rarest to the most frequent concept: for each 500 train, 100 query and 100 val images "
            "that no other took; the database holds all but the queries"
        )
        protocol = _splits.Protocol(name, rule, SEED, ("train-database", "val-database"))
        folds = _splits.share(_splits.per_label(table.labels, PER_CLASS, names=table.classes, seed=SEED), protocol.shared)
    else:
        rule = f"{_KEPT}; a shuffled list of 10,500 train, 2,100 query, 2,100 val and else database is assigned to these"
        protocol = _splits.Protocol("disjoint", rule, SEED)
        folds = _splits.deal(len(table), SIZES, seed=SEED)
    return table.content(folds, protocol, source=_nus_wide.SOURCE, note=note)


def _listed(name: str, folder: Path | None) -> Content:
    from biodeephashing.data import _lists, _nus_wide, _splits
    from biodeephashing.runs import raw_folder

    raw = raw_folder("NUS_WIDE")
    columns, sizes = LISTED[name]
    lists = _lists.read_lists(list_files(folder or raw / "lists"), columns=columns)
    images = raw / _nus_wide.IMAGES
    table, folds = _lists.join(lists, images, _lists.by_name(images))
    table.check_present(_nus_wide.ADVICE)
    rest, count = _lists.outside(folds), sizes["query"]
    folds["val"] = rest[_splits.deal(len(rest), {"val": count}, seed=SEED)["val"]]
    rule = (
        "the lists train.txt, test.txt (queries) and database.txt of the HashNet release; "
        f"val: {count:,} images of the database that are in no other list, drawn after one shuffle; they stay in the database"
    )
    protocol = _splits.Protocol(name, rule, SEED, ("train-database", "val-database"))
    return table.content(folds, protocol, source=_lists.source_of(lists), note=_lists.published(lists, sizes))


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    options = parser_of("NUS_WIDE", __doc__, lists=" and ".join(LISTED)).parse_args(argv)
    report(*process(options.protocol, options.lists, no_skip=options.no_skip, skip_unreadable=options.skip_unreadable))


if __name__ == "__main__":
    raise SystemExit(guard(main))
