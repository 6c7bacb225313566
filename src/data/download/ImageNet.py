"""Download ImageNet (Russakovsky et al., ImageNet large scale visual recognition challenge, 2015) from Kaggle to data/raw/ImageNet/."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from biodeephashing.data._kaggle import RULES, TOKEN
from biodeephashing.errors import guard
from biodeephashing.settings.strict_parser import StrictParser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = StrictParser(description=__doc__, epilog=f"{TOKEN}; then {RULES}.")
    parser.add_argument(
        "-from", "--from", dest="source", type=Path, metavar="PATH", help="archive or folder ILSVRC that is already on disk"
    )
    parser.add_argument(
        "-lists",
        "--lists",
        type=Path,
        metavar="FOLDER",
        help="HashNet lists: unpack only the images they name",
    )
    options = parser.parse_args(argv)
    from biodeephashing.commands.download import download

    return download("ImageNet", options)


if __name__ == "__main__":
    raise SystemExit(guard(main))
