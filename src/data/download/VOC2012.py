"""Download PASCAL VOC 2012 (Everingham et al., The PASCAL visual object classes challenge: a retrospective, 2015) to data/raw/VOC2012/."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from biodeephashing.arguments import StrictParser
from biodeephashing.errors import guard

if TYPE_CHECKING:
    from biodeephashing.data._raw import Published


def published() -> Published:
    """Return where PASCAL VOC 2012 is published and what is wanted of it: images, boxes, and the lists of the classification task."""
    from biodeephashing.data._parts import Part
    from biodeephashing.data._raw import Archive, Published

    archive = Archive(
        "https://thor.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
        (
            Part("VOCdevkit/VOC2012/ImageSets/Main/*.txt", 63),
            Part("VOCdevkit/VOC2012/Annotations/*.xml", 17_125),
            Part("VOCdevkit/VOC2012/JPEGImages/*.jpg", 17_125),
        ),
        size=1 << 31,
        unpacked=1 << 32,
        md5="6cd6e144f989b92b3379bac3b3de84fd",
    )
    return Published("VOC2012", "PASCAL VOC 2012", (archive,))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = StrictParser(description=__doc__)
    parser.add_argument("-from", "--from", dest="source", type=Path, metavar="PATH", help="archive or folder that is already on disk")
    parser.add_argument("-url", "--url", help="mirror to download the archive from")
    options = parser.parse_args(argv)

    from biodeephashing.data._raw import bring, summary

    missing = bring(published(), options.source, options.url)
    print(summary(published(), missing))
    return 1 if missing else 0


if __name__ == "__main__":
    raise SystemExit(guard(main))
