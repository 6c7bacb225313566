"""Download NUS-WIDE (Chua et al., NUS-WIDE: a real-world web image database, 2009) to data/raw/NUS_WIDE/: lists, labels, photographs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from biodeephashing.arguments import StrictParser
from biodeephashing.errors import guard

if TYPE_CHECKING:
    from biodeephashing.data._flickr import Failure
    from biodeephashing.data._raw import Published

TABLE = "images_missing.csv"


def published() -> Published:
    """Return where the lists of NUS-WIDE are published; no checksums are."""
    from biodeephashing.data._parts import Part
    from biodeephashing.data._raw import Archive, Published

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
    from biodeephashing.data import _flickr, _raw
    from biodeephashing.runs import raw_folder

    raw = raw_folder("NUS_WIDE")
    if source and source.is_dir() and _take_photographs(source, raw) and not _holds_lists(source):
        source = None
    missing = _raw.bring(published(), source, url, connections=min(connections, 4), pause=pause, timeout=timeout)
    if missing:
        return missing, 0, {}
    photos, unreadable = _flickr.read_photos(raw / "NUS-WIDE-urls.txt")
    if images:
        photos = [_flickr.Photo(photo.name, (f"{images.rstrip('/')}/{photo.name}",)) for photo in photos]
    known = {} if again or images else _flickr.read_table(raw / TABLE)
    known |= {failure.file: failure for failure in unreadable}
    failures = _flickr.fetch_photos(photos, raw / "images", raw / TABLE, known=known, connections=connections, pause=pause, timeout=timeout)
    return [], len(photos) + len(unreadable) - len(failures), failures


def _holds_lists(source: Path) -> bool:
    """Return whether a folder has anything else than photographs to offer."""
    archives = published().archives
    return any((source / archive.name).is_file() for archive in archives) or any(
        part.place(path.relative_to(source.parent).as_posix()) for path in source.rglob("*.txt") for a in archives for part in a.parts
    )


def _take_photographs(source: Path, raw: Path) -> int:
    from biodeephashing.data._raw import take_files

    def place(member: str) -> str | None:
        name = member.rpartition("/")[2]
        number, _, photo = name.partition("_")
        return f"images/{name}" if number.isdigit() and photo.removesuffix(".jpg").isdigit() and photo.endswith(".jpg") else None

    return take_files(source, raw, place)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = StrictParser(description=__doc__)
    parser.add_argument(
        "-from", "--from", dest="source", type=Path, metavar="PATH", help="archive, NUS-WIDE-urls.txt, or folder of such and of photographs"
    )
    parser.add_argument("-url", "--url", help="folder on a mirror that holds the lists under their published names")
    parser.add_argument("-images", "--images", metavar="URL", help="folder on a server that holds the photographs, in place of Flickr")
    parser.add_argument("-connections", "--connections", type=int, default=16, metavar="N", help="photographs to fetch at a time")
    parser.add_argument("-again", "--again", action="store_true", help="ask again for photographs that were not available before")
    options = parser.parse_args(argv)
    missing, there, failures = download(
        options.source, options.url, images=options.images, again=options.again, connections=options.connections
    )

    from biodeephashing.data._raw import summary

    if missing:
        print(summary(published(), missing))
        return 1
    print(f"{there:,} photographs of NUS-WIDE are in data/raw/NUS_WIDE/images/")
    passing = sum(1 for failure in failures.values() if not failure.final)
    if failures:
        print(f"{len(failures):,} could not be had; data/raw/NUS_WIDE/{TABLE} says why")
    if passing:
        print(f"{passing:,} of these may come when this command is run again")
    print(summary(published(), []))
    return 0


if __name__ == "__main__":
    raise SystemExit(guard(main))
