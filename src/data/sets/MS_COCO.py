"""MS COCO 2014 (Lin et al., Microsoft COCO: common objects in context, 2014): where it is published, and its splits."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from ...runs import raw_folder
from ..catalogue import check_protocol
from ..fetch.members import Part
from ..fetch.published import Archive, Published, bring, summary
from ..prepare import image_lists, splits
from ..prepare.content import Content
from ..prepare.write import prepare
from ..split import Split
from . import _coco
from ._hashnet import list_files

SIZES = {"train": 10_000, "query": 5_000, "val": 5_000}
CATEGORIES = 80
SEED = 0
_DEALT = "a shuffled list of 10,000 train, 5,000 query, 5,000 val and else database is assigned to the {images}"


def published() -> Published:
    """Return where MS COCO 2014 is published and what it consists of.

    The publisher states no checksums. That of the annotations is the tag under which its server keeps the file; those of the
    images are the ones that every project which writes any down writes down alike.
    """
    server = "http://images.cocodataset.org"
    return Published(
        "MS_COCO",
        "MS COCO 2014",
        (
            Archive(
                f"{server}/annotations/annotations_trainval2014.zip",
                (Part("annotations/instances_train2014.json", 1), Part("annotations/instances_val2014.json", 1)),
                size=1 << 29,
                unpacked=1 << 31,
                md5="0a379cfc70b0e71301e0f377548639bd",
            ),
            Archive(
                f"{server}/zips/val2014.zip",
                (Part("val2014/*.jpg", 40_504),),
                size=1 << 33,
                unpacked=1 << 33,
                md5="a3d79f5ed8d289b7a7554ce06a5782b3",
            ),
            Archive(
                f"{server}/zips/train2014.zip",
                (Part("train2014/*.jpg", 82_783),),
                size=1 << 34,
                unpacked=1 << 34,
                md5="0da8c0bd3d6becc4dcb32757491aca88",
            ),
        ),
    )


def obtain(source: Path | None = None, url: str | None = None, *, connections: int = 3) -> tuple[str, bool]:
    """Bring MS COCO 2014 to ``data/raw/MS_COCO/``.

    Args:
        source: an archive or a folder that is already on disk; None downloads.
        url: a mirror; None is the publisher's address.
        connections: archives to download at a time.

    Returns:
        What there is to say about it, and whether it is complete.

    Raises:
        UsageError: for arguments that cannot be used.
        DataError: when the files cannot be had or are damaged.
    """
    missing = bring(published(), source, url, connections=connections)
    return summary(published(), missing), not missing


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
    check_protocol("MS_COCO", protocol)
    build = (lambda: _listed(lists)) if protocol == "coco-hashnet" else (lambda: _dealt(protocol))
    return prepare(protocol, build, no_skip=no_skip, skip_unreadable=skip_unreadable)


def _dealt(name: str) -> Content:
    table = _coco.read(raw_folder("MS_COCO"))
    if name == "coco":
        table = _coco.only_used(table)
        rule = (
            f"{_DEALT.format(images='images with a label')}; the database also holds the training and the val images: all but the queries"
        )
        protocol = splits.Protocol(name, rule, SEED, ("train-database", "val-database"))
    else:
        protocol = splits.Protocol("disjoint", _DEALT.format(images="images, those without a label included"), SEED)
    table.check_present(_coco.ADVICE)
    folds = splits.share(splits.deal(len(table), SIZES, seed=SEED), protocol.shared)
    return table.content(folds, protocol, source=_coco.SOURCE)


def _listed(folder: Path | None) -> Content:
    raw = raw_folder("MS_COCO")
    lists = image_lists.read_lists(list_files(folder or raw / "lists"), columns=CATEGORIES)
    table, folds = image_lists.join(lists, raw, _coco.place)
    table.check_present(_coco.ADVICE)
    rest = image_lists.outside(folds)
    folds["val"] = rest[splits.deal(len(rest), {"val": SIZES["val"]}, seed=SEED)["val"]]
    rule = (
        "the lists train.txt, test.txt (queries) and database.txt of the HashNet release, whose Caffe database contains the queries; "
        f"val: {SIZES['val']:,} images of the database that are in no other list, drawn after one shuffle; they stay in the database"
    )
    shared = ("train-database", "val-database", "query-database")
    note = image_lists.published(lists, {fold: SIZES[fold] for fold in ("train", "query")})
    return table.content(folds, splits.Protocol("coco-hashnet", rule, SEED, shared), source=image_lists.source_of(lists), note=note)
