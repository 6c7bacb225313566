"""Download MIRFLICKR-25K (Huiskes and Lew, The MIR Flickr retrieval evaluation, 2008) to data/raw/MIRFLICKR25K/."""

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
    parser.add_argument("-connections", "--connections", type=int, default=2, metavar="N", help="archives to download at a time")
    options = parser.parse_args(argv)
    from biodeephashing.commands.download import download

    return download("MIRFLICKR25K", options)


if __name__ == "__main__":
    raise SystemExit(guard(main))
