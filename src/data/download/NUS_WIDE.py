"""Download NUS-WIDE (Chua et al., NUS-WIDE: a real-world web image database, 2009) to data/raw/NUS_WIDE/: lists, labels, photographs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from biodeephashing.errors import guard
from biodeephashing.settings.strict_parser import StrictParser


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
    from biodeephashing.commands.download import download

    return download("NUS_WIDE", options)


if __name__ == "__main__":
    raise SystemExit(guard(main))
