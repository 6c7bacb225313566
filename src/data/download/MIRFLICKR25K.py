"""Download MIRFLICKR-25K (Huiskes and Lew, The MIR Flickr retrieval evaluation, 2008) to data/raw/MIRFLICKR25K/."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from biodeephashing.arguments import StrictParser
from biodeephashing.errors import guard

if TYPE_CHECKING:
    from biodeephashing.data._raw import Published

_PROMINENT = ("baby", "bird", "car", "clouds", "dog", "female", "flower", "male", "night", "people", "portrait", "river", "sea", "tree")
_LESSER = ("animals", "food", "indoor", "lake", "plant_life", "sky", "structures", "sunset", "transport", "water")
_ANNOTATIONS = (*_PROMINENT, *_LESSER, *(f"{name}_r1" for name in _PROMINENT))


def published() -> Published:
    """Return where MIRFLICKR-25K is published and what it consists of.

    The publisher states a checksum of the images and none of the annotations: 24 subjects that can be seen, and the 14 among
    them that have a file (``_r1``) of where they are prominent.
    """
    from biodeephashing.data._parts import Part
    from biodeephashing.data._raw import Archive, Published

    server = "http://press.liacs.nl/mirflickr/mirflickr25k.v3b"
    return Published(
        "MIRFLICKR25K",
        "MIRFLICKR-25K",
        (
            Archive(
                f"{server}/mirflickr25k_annotations_v080.zip",
                tuple(Part(f"{name}.txt", 1, into="mirflickr25k_annotations_v080") for name in _ANNOTATIONS),
                size=1 << 24,
                unpacked=1 << 26,
            ),
            Archive(
                f"{server}/mirflickr25k.zip",
                (Part("mirflickr/im*.jpg", 25_000),),
                size=1 << 32,
                unpacked=1 << 33,
                md5="a23d0a8564ee84cda5622a6c2f947785",
            ),
        ),
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = StrictParser(description=__doc__)
    parser.add_argument("-from", "--from", dest="source", type=Path, metavar="PATH", help="archive or folder that is already on disk")
    parser.add_argument("-url", "--url", help="folder on a mirror that holds the archives under their published names")
    parser.add_argument("-connections", "--connections", type=int, default=2, metavar="N", help="archives to download at a time")
    options = parser.parse_args(argv)

    from biodeephashing.data._raw import bring, summary

    missing = bring(published(), options.source, options.url, connections=options.connections)
    print(summary(published(), missing))
    return 1 if missing else 0


if __name__ == "__main__":
    raise SystemExit(guard(main))
