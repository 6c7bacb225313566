"""Download MIRFLICKR-25K (Huiskes and Lew, The MIR Flickr retrieval evaluation, 2008) to data/raw/MIRFLICKR25K/."""

from __future__ import annotations

from collections.abc import Sequence

from biodeephashing.data.parsers import download_parser
from biodeephashing.errors import guard


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    options = download_parser("MIRFLICKR25K", __doc__).parse_args(argv)
    from biodeephashing.commands.download import download

    return download("MIRFLICKR25K", options)


if __name__ == "__main__":
    raise SystemExit(guard(main))
