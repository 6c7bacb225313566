"""Download NUS-WIDE (Chua et al., NUS-WIDE: a real-world web image database, 2009) to data/raw/NUS_WIDE/: lists, labels, photographs."""

from __future__ import annotations

from collections.abc import Sequence

from biodeephashing.data.parsers import download_parser
from biodeephashing.errors import guard


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    options = download_parser("NUS_WIDE", __doc__).parse_args(argv)
    from biodeephashing.commands.download import download

    return download("NUS_WIDE", options)


if __name__ == "__main__":
    raise SystemExit(guard(main))
