"""Download MS COCO 2014 (Lin et al., Microsoft COCO: common objects in context, 2014) to data/raw/MS_COCO/."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from biodeephashing.arguments import StrictParser
from biodeephashing.errors import guard

if TYPE_CHECKING:
    from biodeephashing.data._raw import Published


def published() -> Published:
    """Return where MS COCO 2014 is published and what it consists of.

    The publisher states no checksums. That of the annotations is the tag under which its server keeps the file; those of the
    images are the ones that every project which writes any down writes down alike.
    """
    from biodeephashing.data._parts import Part
    from biodeephashing.data._raw import Archive, Published

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


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = StrictParser(description=__doc__)
    parser.add_argument("-from", "--from", dest="source", type=Path, metavar="PATH", help="archive or folder that is already on disk")
    parser.add_argument("-url", "--url", help="folder on a mirror that holds the archives under their published names")
    parser.add_argument("-connections", "--connections", type=int, default=3, metavar="N", help="archives to download at a time")
    options = parser.parse_args(argv)

    from biodeephashing.data._raw import bring, summary

    missing = bring(published(), options.source, options.url, connections=options.connections)
    print(summary(published(), missing))
    return 1 if missing else 0


if __name__ == "__main__":
    raise SystemExit(guard(main))
