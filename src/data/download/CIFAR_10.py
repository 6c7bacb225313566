"""Download CIFAR-10 (Krizhevsky, Learning multiple layers of features from tiny images, 2009) to data/raw/CIFAR_10/."""

from __future__ import annotations

from collections.abc import Sequence

from biodeephashing.data.parsers import download_parser
from biodeephashing.errors import guard


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    options = download_parser("CIFAR_10", __doc__).parse_args(argv)
    from biodeephashing.commands.download import download

    return download("CIFAR_10", options)


if __name__ == "__main__":
    raise SystemExit(guard(main))
