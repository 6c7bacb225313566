"""Download PASCAL VOC 2012 (Everingham et al., The PASCAL visual object classes challenge: a retrospective, 2015) to data/raw/VOC2012/."""

from __future__ import annotations

from collections.abc import Sequence

from biodeephashing.data.parsers import download_parser
from biodeephashing.errors import guard


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    options = download_parser("VOC2012", __doc__).parse_args(argv)
    from biodeephashing.commands.download import download

    return download("VOC2012", options)


if __name__ == "__main__":
    raise SystemExit(guard(main))
