"""Download PASCAL VOC 2012 (Everingham et al., The PASCAL visual object classes challenge: a retrospective, 2015) to data/raw/VOC2012/."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from biodeephashing.errors import guard
from biodeephashing.settings.strict_parser import StrictParser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = StrictParser(description=__doc__)
    parser.add_argument("-from", "--from", dest="source", type=Path, metavar="PATH", help="archive or folder that is already on disk")
    parser.add_argument("-url", "--url", help="mirror to download the archive from")
    options = parser.parse_args(argv)
    from biodeephashing.commands.download import download

    return download("VOC2012", options)


if __name__ == "__main__":
    raise SystemExit(guard(main))
