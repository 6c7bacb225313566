"""Download CIFAR-10 (Krizhevsky, Learning multiple layers of features from tiny images, 2009) to data/raw/CIFAR_10/."""

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

    return download("CIFAR_10", options)


if __name__ == "__main__":
    raise SystemExit(guard(main))
