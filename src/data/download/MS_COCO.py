"""Download MS COCO 2014 (Lin et al., Microsoft COCO: common objects in context, 2014) to data/raw/MS_COCO/."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from biodeephashing.errors import guard
from biodeephashing.settings.strict_parser import StrictParser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = StrictParser(description=__doc__)
    parser.add_argument("-from", "--from", dest="source", type=Path, metavar="PATH", help="archive or folder that is already on disk")
    parser.add_argument("-url", "--url", help="folder on a mirror that holds the archives under their published names")
    parser.add_argument("-connections", "--connections", type=int, default=3, metavar="N", help="archives to download at a time")
    options = parser.parse_args(argv)
    from biodeephashing.commands.download import download

    return download("MS_COCO", options)


if __name__ == "__main__":
    raise SystemExit(guard(main))
