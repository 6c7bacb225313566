"""Download ImageNet (Russakovsky et al., ImageNet large scale visual recognition challenge, 2015) from Kaggle to data/raw/ImageNet/."""

from __future__ import annotations

from collections.abc import Sequence

from biodeephashing.data.parsers import download_parser
from biodeephashing.errors import guard


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    options = download_parser("ImageNet", __doc__).parse_args(argv)
    from biodeephashing.commands.download import download

    return download("ImageNet", options)


if __name__ == "__main__":
    raise SystemExit(guard(main))
