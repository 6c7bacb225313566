"""NUS-WIDE (Chua et al., NUS-WIDE: a real-world web image database, 2009): where it is published, and its splits."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from ...runs import raw_folder
from ..catalogue import check_protocol
from ..fetch import flickr
from ..fetch import published as raw_published
from ..fetch.flickr import Failure
from ..fetch.members import Part
from ..fetch.published import Archive, Published, take_files
from ..prepare import image_lists, splits
from ..prepare.content import Content
from ..prepare.write import prepare
from ..split import Split
from . import _nus_wide
from ._hashnet import list_files

TABLE = "images_missing.csv"
SIZES = {"train": 10_500, "query": 2_100, "val": 2_100}
PER_CLASS = {"train": 500, "query": 100, "val": 100}
LEAST = 5_000  # images of a concept that is kept
LISTED = {  # labels in a line and lines of the lists of the HashNet release
    "nuswide_21_m": (21, {"train": 10_500, "query": 2_100}),
    "nuswide_81": (81, {"train": 10_000, "query": 5_000}),
}
SEED = 0
_KEPT = "the concepts with at least 5,000 images (21), most frequent first, and the images on disk that have one of them"


def published() -> Published:
    """Return where the lists of NUS-WIDE are published; no checksums are."""
    server = "https://lms.comp.nus.edu.sg/wp-content/uploads/2019/research/nuswide"
    return Published(
        "NUS_WIDE",
        "NUS-WIDE",
        (
            Archive(f"{server}/Groundtruth.zip", (Part("AllLabels/Labels_*.txt", 81),), size=1 << 28, unpacked=1 << 30),
            Archive(f"{server}/ImageList.zip", (Part("Imagelist.txt", 1, into="ImageList"),), size=1 << 26, unpacked=1 << 28),
            Archive(f"{server}/ConceptsList.zip", (Part("Concepts81.txt", 1, into="ConceptsList"),), size=1 << 22, unpacked=1 << 24),
            Archive(f"{server}/NUS-WIDE-urls.rar", (Part("NUS-WIDE-urls.txt", 1),), size=1 << 28, unpacked=1 << 30),
        ),
    )


def download(
    source: Path | None = None,
    url: str | None = None,
    *,
    images: str | None = None,
    again: bool = False,
    connections: int = 16,
    pause: float = 1.0,
    timeout: float = 20.0,
) -> tuple[list[str], int, dict[str, Failure]]:
    """Bring the lists of NUS-WIDE and every photograph that can still be had to ``data/raw/NUS_WIDE/``.

    The photographs lie in ``images/``; those that could not be had stand in ``images_missing.csv``, with the reason.

    Args:
        source: lists, archives or photographs that are already on disk; None downloads everything.
        url: a mirror of the lists.
        images: a folder on a server that has the photographs under their names; None asks Flickr.
        again: whether to ask again for what was not there before.
        connections: photographs at a time.
        pause: seconds before a second attempt.
        timeout: seconds to wait for a server.

    Returns:
        What is missing of the lists, in words; how many photographs are there; and those that could not be had. Without the
        lists no photograph is asked for.

    Raises:
        UsageError: for arguments that cannot be used.
        DataError: when the lists cannot be had or nothing can be fetched at all.
    """
    raw = raw_folder("NUS_WIDE")
    if source and source.is_dir() and _take_photographs(source, raw) and not _holds_lists(source):
        source = None
    missing = raw_published.bring(published(), source, url, connections=min(connections, 4), pause=pause, timeout=timeout)
    if missing:
        return missing, 0, {}
    photos, unreadable = flickr.read_photos(raw / "NUS-WIDE-urls.txt")
    if images:
        photos = [flickr.Photo(photo.name, (f"{images.rstrip('/')}/{photo.name}",)) for photo in photos]
    known = {} if again or images else flickr.read_table(raw / TABLE)
    known |= {failure.file: failure for failure in unreadable}
    failures = flickr.fetch_photos(photos, raw / "images", raw / TABLE, known=known, connections=connections, pause=pause, timeout=timeout)
    return [], len(photos) + len(unreadable) - len(failures), failures


def _holds_lists(source: Path) -> bool:
    """Return whether a folder has anything else than photographs to offer."""
    archives = published().archives
    return any((source / archive.name).is_file() for archive in archives) or any(
        part.place(path.relative_to(source.parent).as_posix()) for path in source.rglob("*.txt") for a in archives for part in a.parts
    )


def _take_photographs(source: Path, raw: Path) -> int:
    def place(member: str) -> str | None:
        name = member.rpartition("/")[2]
        number, _, photo = name.partition("_")
        return f"images/{name}" if number.isdigit() and photo.removesuffix(".jpg").isdigit() and photo.endswith(".jpg") else None

    return take_files(source, raw, place)


def obtain(
    source: Path | None = None, url: str | None = None, *, images: str | None = None, again: bool = False, connections: int = 16
) -> tuple[str, bool]:
    """Bring NUS-WIDE to ``data/raw/NUS_WIDE/``.

    Args:
        source: an archive or a folder that is already on disk; None downloads.
        url: a mirror; None is the publisher's address.
        images: a folder on a server that has the photographs under their names; None asks Flickr.
        again: whether to ask again for what was not there before.
        connections: photographs at a time.

    Returns:
        What there is to say about it, and whether it is complete.

    Raises:
        UsageError: for arguments that cannot be used.
        DataError: when the files cannot be had or are damaged.
    """
    missing, there, failures = download(source, url, images=images, again=again, connections=connections)
    if missing:
        return raw_published.summary(published(), missing), False
    lines = [f"{there:,} photographs of NUS-WIDE are in data/raw/NUS_WIDE/images/"]
    passing = sum(1 for failure in failures.values() if not failure.final)
    if failures:
        lines.append(f"{len(failures):,} could not be had; data/raw/NUS_WIDE/{TABLE} says why")
    if passing:
        lines.append(f"{passing:,} of these may come when this command is run again")
    return "\n".join((*lines, raw_published.summary(published(), []))), True


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
    check_protocol("NUS_WIDE", protocol)
    build = (lambda: _listed(protocol, lists)) if protocol in LISTED else (lambda: _drawn(protocol))
    return prepare(protocol, build, no_skip=no_skip, skip_unreadable=skip_unreadable)


def _drawn(name: str) -> Content:
    table, note = _nus_wide.on_disk(_nus_wide.frequent(_nus_wide.read(raw_folder("NUS_WIDE")), LEAST))
    if name == "nuswide_21":
        rule = (
            f"{_KEPT}; after one shuffle, from the rarest to the most frequent concept: for each 500 train, 100 query and 100 val images "
            "that no other took; the database holds all but the queries"
        )
        protocol = splits.Protocol(name, rule, SEED, ("train-database", "val-database"))
        folds = splits.share(splits.per_label(table.labels, PER_CLASS, names=table.classes, seed=SEED), protocol.shared)
    else:
        rule = f"{_KEPT}; a shuffled list of 10,500 train, 2,100 query, 2,100 val and else database is assigned to these"
        protocol = splits.Protocol("disjoint", rule, SEED)
        folds = splits.deal(len(table), SIZES, seed=SEED)
    return table.content(folds, protocol, source=_nus_wide.SOURCE, note=note)


def _listed(name: str, folder: Path | None) -> Content:
    raw = raw_folder("NUS_WIDE")
    columns, sizes = LISTED[name]
    lists = image_lists.read_lists(list_files(folder or raw / "lists"), columns=columns)
    images = raw / _nus_wide.IMAGES
    table, folds = image_lists.join(lists, images, image_lists.by_name(images))
    table.check_present(_nus_wide.ADVICE)
    rest, count = image_lists.outside(folds), sizes["query"]
    folds["val"] = rest[splits.deal(len(rest), {"val": count}, seed=SEED)["val"]]
    rule = (
        "the lists train.txt, test.txt (queries) and database.txt of the HashNet release; "
        f"val: {count:,} images of the database that are in no other list, drawn after one shuffle; they stay in the database"
    )
    protocol = splits.Protocol(name, rule, SEED, ("train-database", "val-database"))
    return table.content(folds, protocol, source=image_lists.source_of(lists), note=image_lists.published(lists, sizes))
