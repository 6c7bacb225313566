"""NUS-WIDE (Chua et al., NUS-WIDE: A real-world web image database from National University of Singapore, CIVR 2009): 81 concepts."""

from __future__ import annotations

import dataclasses
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ...runs import raw_folder
from ..fetch import photos
from ..fetch.archives import Part
from ..fetch.photos import Failure, Photo
from ..fetch.published import Archive, Published, import_paths
from ..prepare import image_lists, splits
from ..prepare.content import DatasetContent, Texts, is_safe
from ..prepare.label_table import LabelTable, lines_of
from ..prepare.splits import Protocol
from ..texts.words import with_frequent_word
from . import _nus_wide_tags
from ._hashnet import length_note, read_hashnet, with_val
from .dataset import Flags, PublicDataset

_USED = "the concepts with at least 5,000 images (21), most frequent first, and the images on disk that have one of them"
_LISTED = (
    "the lists train.txt, test.txt (queries) and database.txt of the HashNet release; "
    "val: {} images of the database that are in no other list, drawn after one shuffle; they stay in the database"
)
_DEALT = "10,500 train, 2,100 query, 2,100 val"
_TAGGED = (
    "the {} most frequent concepts, and the images on disk that have one of them and one of {}; a shuffled list of {} and else database is "
    "assigned to these; the database also holds the training and the val images"
)
_SHARED = ("train-database", "val-database")
PROTOCOLS = {
    "NUS_WIDE": Protocol("disjoint", f"{_USED}; a shuffled list of {_DEALT} and else database is assigned to these"),
    "nuswide_21": Protocol(
        "nuswide_21",
        f"{_USED}; after one shuffle, from the rarest to the most frequent concept: for each 500 train, 100 query and 100 val images "
        "that no other took; the database holds all but the queries",
        shared=_SHARED,
    ),
    "nuswide_21_m": Protocol("nuswide_21_m", _LISTED.format("2,100"), shared=_SHARED),
    "nuswide_81": Protocol("nuswide_81", _LISTED.format("5,000"), shared=_SHARED),
    "nuswide-tags": Protocol("nuswide-tags", _TAGGED.format(21, "1,000 frequent tags", _DEALT), shared=_SHARED),
    "nuswide-tags-10": Protocol(
        "nuswide-tags-10", _TAGGED.format(10, "1,000 frequent tags", "5,000 train, 2,000 query, 2,000 val"), shared=_SHARED
    ),
    "nuswide-alltags": Protocol("nuswide-alltags", _TAGGED.format(21, "the tags that 100 of them have", _DEALT), shared=_SHARED),
}
DOWNLOAD_FLAGS: Flags = {
    "-from": {"help": "archive, NUS-WIDE-urls.txt, or folder of such and of photographs"},
    "-url": {"help": "folder on a mirror that holds the lists under their published names"},
    "-images": {"metavar": "URL", "help": "folder on a server that holds the photographs, in place of Flickr"},
    "-connections": {"default": 16, "help": "photographs to fetch at a time"},
    "-tags": {"action": "store_true", "help": "the tags of the photographs, too, for nuswide-tags, nuswide-tags-10 and nuswide-alltags"},
    "-again": {"action": "store_true", "help": "ask again for photographs that were not available before"},
}
PREPARE_FLAGS: Flags = {"-protocol": {}, "-lists": {"used_by": "nuswide_21_m and nuswide_81"}, "-no_skip": {}, "-skip_unreadable": {}}
SIZES = {"train": 10_500, "query": 2_100, "val": 2_100}
SIZES_10 = {"train": 5_000, "query": 2_000, "val": 2_000}  # of nuswide-tags-10
PER_CLASS = {"train": 500, "query": 100, "val": 100}
LEAST = 5_000  # images of a concept that is used
LEAST_TAGGED = 100  # images of a tag that is used, of all tags
FEW = 10  # concepts of nuswide-tags-10
LISTED = {  # labels in a line and lines of the lists of the HashNet release
    "nuswide_21_m": (21, {"train": 10_500, "query": 2_100}),
    "nuswide_81": (81, {"train": 10_000, "query": 5_000}),
}
CONCEPTS = 81
TABLE = "images_missing.csv"
SOURCE = "https://lms.comp.nus.edu.sg/wp-content/uploads/2019/research/nuswide/ (lists and ground truth; images from Flickr)"
ADVICE = "run `python src/data/download/NUS_WIDE.py`"
_SERVER = "https://lms.comp.nus.edu.sg/wp-content/uploads/2019/research/nuswide"
PUBLISHED = Published(  # no checksums are published
    "NUS_WIDE",
    "NUS-WIDE",
    (
        Archive(f"{_SERVER}/Groundtruth.zip", (Part("AllLabels/Labels_*.txt", CONCEPTS),), size=1 << 28, unpacked=1 << 30),
        Archive(f"{_SERVER}/ImageList.zip", (Part("Imagelist.txt", into="ImageList"),), size=1 << 26, unpacked=1 << 28),
        Archive(f"{_SERVER}/ConceptsList.zip", (Part("Concepts81.txt", into="ConceptsList"),), size=1 << 22, unpacked=1 << 24),
        Archive(f"{_SERVER}/NUS-WIDE-urls.rar", (Part("NUS-WIDE-urls.txt"),), size=1 << 28, unpacked=1 << 30),
    ),
)
WITH_TAGS = dataclasses.replace(
    PUBLISHED, archives=(*PUBLISHED.archives, Archive(f"{_SERVER}/NUS_WID_Tags.zip", _nus_wide_tags.PARTS, size=1 << 28, unpacked=1 << 31))
)
_ORDER = (1, 0, 3, 2)  # of the addresses of the large, middle, small and original size: the middle one, 500 pixels, is the usual one


def download(source: Path | None = None, url: str | None = None, **options: Any) -> tuple[str, bool]:
    """Bring the lists of NUS-WIDE and every photograph that is still available to ``data/raw/NUS_WIDE/``; see :func:`fetch`.

    Returns:
        What there is to say about it, and whether it is complete.
    """
    missing, present, failures = fetch(source, url, **options)
    if missing:
        return PUBLISHED.summary(missing), False
    lines = [f"{present:,} photographs of NUS-WIDE are in data/raw/NUS_WIDE/images/"]
    if failures:
        lines.append(f"{len(failures):,} could not be had; data/raw/NUS_WIDE/{TABLE} says why")
    if passing := sum(not failure.final for failure in failures.values()):
        lines.append(f"{passing:,} of these may come when this command is run again")
    return "\n".join((*lines, PUBLISHED.summary([]))), True


def fetch(
    source: Path | None = None,
    url: str | None = None,
    *,
    images: str | None = None,
    tags: bool = False,
    again: bool = False,
    connections: int = 16,
    pause: float = 1.0,
) -> tuple[list[str], int, dict[str, Failure]]:
    """Bring the lists of NUS-WIDE and every photograph that is still available to ``data/raw/NUS_WIDE/``.

    The photographs lie in ``images/``; those that failed are in ``images_missing.csv``, with the reason.

    Args:
        source: lists, archives or photographs on disk; None downloads everything.
        url: a mirror of the lists.
        images: a directory on a server that has the photographs under their names; None is Flickr.
        tags: whether the tags of the photographs belong to the lists.
        again: whether to request again what was not available before.
        connections: photographs at a time.
        pause: seconds before a second attempt.

    Returns:
        What is missing of the lists, in words; how many photographs are there; and those that failed. Without the lists no photograph is
        requested.

    Raises:
        UsageError: for arguments that cannot be used.
        DataError: if the lists cannot be downloaded or nothing can be downloaded at all.
    """
    raw = raw_folder("NUS_WIDE")
    if source and source.is_dir() and import_paths(source, raw, _photograph) and not _holds_lists(source):
        source = None
    missing = (WITH_TAGS if tags else PUBLISHED).fetch(source, url, connections=min(connections, 4), pause=pause)
    if missing:
        return missing, 0, {}
    listed, unreadable = read_photos(raw / "NUS-WIDE-urls.txt")
    if images:
        listed = [Photo(photo.name, (f"{images.rstrip('/')}/{photo.name}",)) for photo in listed]
    known = {} if again or images else photos.read_table(raw / TABLE)
    known |= {failure.file: failure for failure in unreadable}
    failures = photos.fetch_photos(listed, raw / "images", raw / TABLE, known, connections=connections, pause=pause)
    return [], len(listed) + len(unreadable) - len(failures), failures


def read_photos(file: Path) -> tuple[list[Photo], list[Failure]]:
    """Read ``NUS-WIDE-urls.txt``: file, number, and the addresses of four sizes, or ``null``, in each line.

    Args:
        file: the list.

    Returns:
        The photographs in the order of the list, each once, and the lines that cannot be read.

    Raises:
        DataError: if there is no photograph in it.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "urls.txt"
        >>> _ = file.write_text(r"C:\\ImageData\\Flickr\\sky\\0001_7.jpg 7 null http://flickr.com/7.jpg null null")
        >>> read_photos(file)
        ([Photo(name='0001_7.jpg', urls=('http://flickr.com/7.jpg',))], [])
    """
    listed: dict[str, Photo] = {}
    unreadable = []
    for number, line in enumerate(file.read_text("utf-8", errors="replace").splitlines(), 1):
        cells = line.split()
        name = re.split(r"[\\/]", cells[0])[-1] if cells else ""
        if re.fullmatch(r"\w[\w-]*\.jpe?g", name, re.IGNORECASE | re.ASCII):
            addresses = cells[2:] if len(cells) != 6 else [cells[2 + column] for column in _ORDER]
            listed.setdefault(name, Photo(name, tuple(url for url in addresses if re.match("https?://", url))))
        elif cells and "Photo_file" not in line:
            unreadable.append(Failure(f"line {number}", "", "this line of the list names no photograph", final=True))
    if not listed:
        raise DataError(f"{file} holds no photographs: a line is a file name, a number and four addresses, separated by blanks")
    return list(listed.values()), unreadable


def read(folder: Path) -> LabelTable:
    """Read all concepts of all images, those not on disk included; columns in alphabetical order of the concepts.

    Args:
        folder: ``ImageList/Imagelist.txt``, ``ConceptsList/Concepts81.txt`` and ``AllLabels/Labels_<concept>.txt``; images
            as ``images/<folder>/<file>``, as the list has them, or ``images/<file>``.

    Raises:
        DataError: naming file and line, if a file is missing or holds something else.
    """
    listed = folder / "ImageList" / "Imagelist.txt"
    names = [line.strip().replace("\\", "/") for line in lines_of(listed, ADVICE)]
    for row, name in enumerate(names):
        if not all(is_safe(part) for part in name.split("/")):
            raise DataError(f"line {row + 1} of {listed} is {name!r}, which is no path of an image")
    file = folder / "ConceptsList" / "Concepts81.txt"
    concepts = sorted({line.strip() for line in lines_of(file, ADVICE)} - {""})
    if len(concepts) != CONCEPTS or not all(is_safe(name) for name in concepts):
        raise DataError(f"{file} holds {len(concepts)} concepts, not {CONCEPTS}: delete it and {ADVICE}")
    labels = np.stack([_column(folder / "AllLabels" / f"Labels_{name}.txt", len(names)) for name in concepts], axis=1)
    form = "a file of 0 and 1 per concept"
    return LabelTable(folder, _paths(folder, names), labels, concepts, lambda row: f"line {row + 1} of {listed}", form=form)


def _content(protocol: str, lists: Path | None = None) -> DatasetContent:
    raw = raw_folder("NUS_WIDE")
    if protocol in LISTED:
        (columns, sizes), images = LISTED[protocol], raw / "images"
        listed = read_hashnet(lists or raw / "lists", columns)
        table, folds = image_lists.join(listed, images, image_lists.by_name(images))
        table.check_present(ADVICE)
        folds = with_val(folds, sizes["query"])
        note = length_note(listed, sizes)
        return table.content(folds, PROTOCOLS[protocol], source=image_lists.source_of(listed), note=note)
    table = frequent(read(raw), LEAST) if protocol in ("NUS_WIDE", "nuswide_21") else _with_tags(raw, protocol)
    rows = np.flatnonzero(table.present())
    note = f"{len(rows):,} of {len(table):,} images" if len(rows) < len(table) else ""
    table = table.rows(rows)
    if protocol != "nuswide_21":
        sizes = SIZES_10 if protocol == "nuswide-tags-10" else SIZES
        return table.random_split(sizes, PROTOCOLS[protocol], source=SOURCE, note=note)
    folds = splits.per_label(table.labels, PER_CLASS, names=table.classes)
    return table.content(splits.merge_folds(folds, PROTOCOLS[protocol].shared), PROTOCOLS[protocol], source=SOURCE, note=note)


def _with_tags(folder: Path, protocol: str) -> LabelTable:
    """Return the images that have one of the concepts of a protocol, and one of its tags."""
    table, all_tags = read(folder), protocol == "nuswide-alltags"
    least = LEAST_TAGGED if all_tags else 1
    lines = (_nus_wide_tags.read_all_tags if all_tags else _nus_wide_tags.read_frequent_tags)(folder, table.paths)
    table = frequent(dataclasses.replace(table, texts=Texts(lines, least)), LEAST)
    if protocol == "nuswide-tags-10":
        table = table.columns(range(min(FEW, len(table.classes))))
    assert table.texts is not None
    return table.rows(np.flatnonzero(with_frequent_word(table.texts.lines, least)))


def frequent(table: LabelTable, least: int) -> LabelTable:
    """Select the concepts of at least so many images, the most frequent first, and the images that have one of them.

    Frequencies are those of the published labels, whatever images are on disk, so columns are the same everywhere.

    Args:
        table: all concepts.
        least: images a concept must have.

    Raises:
        DataError: if no concept has that many.
    """
    counts = table.labels.sum(axis=0, dtype=np.int64)
    columns = [column for column in np.argsort(-counts, kind="stable") if counts[column] >= least]
    if not columns:
        raise DataError(f"no concept has {least:,} images: {ADVICE}")
    return table.rows(np.flatnonzero(table.labels[:, columns].any(axis=1))).columns(columns)


def _photograph(member: str) -> str | None:
    """Return where a photograph goes; None for another file."""
    name = member.rpartition("/")[2]
    return f"images/{name}" if re.fullmatch(r"\d+_\d+\.jpg", name) else None


def _holds_lists(source: Path) -> bool:
    """Return whether a directory has anything else than photographs to offer."""
    texts = [path.relative_to(source.parent).as_posix() for path in source.rglob("*.txt")]
    return any(
        (source / archive.name).is_file() or any(part.path_of(text) for part in archive.parts for text in texts)
        for archive in WITH_TAGS.archives
    )


def _paths(folder: Path, names: list[str]) -> list[str]:
    """Return the paths of the images: in the directories of the list, or all in one."""
    flat = {entry.name for entry in os.scandir(folder / "images") if entry.is_file()} if (folder / "images").is_dir() else set()
    return [f"images/{base if (base := name.rpartition('/')[2]) in flat else name}" for name in names]


def _column(file: Path, count: int) -> NDArray[np.uint8]:
    lines = [line.strip() for line in lines_of(file, ADVICE)]
    if len(lines) != count:
        raise DataError(f"{file} has {len(lines):,} lines, but Imagelist.txt names {count:,} images")
    if set(lines) - {"0", "1"}:
        row = next(row for row, line in enumerate(lines) if line not in ("0", "1"))
        raise DataError(f"line {row + 1} of {file} is {lines[row]!r}, but a label is 0 or 1")
    return np.frombuffer("".join(lines).encode(), dtype=np.uint8) - np.uint8(ord("0"))


DATASET = PublicDataset("NUS_WIDE", _content, download)
