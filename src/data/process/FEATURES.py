"""Prepare ready features: rows of an array with labels, from any network, in place of images and, for a second view, of texts."""

from __future__ import annotations

from collections.abc import Sequence

from biodeephashing.data.parsers import features_parser
from biodeephashing.errors import guard


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    options = features_parser(__doc__).parse_args(argv)
    from biodeephashing.commands.prepare import prepare_rows

    prepare_rows(options)


if __name__ == "__main__":
    raise SystemExit(guard(main))
