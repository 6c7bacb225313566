"""Prepare own images: a folder with one sub-folder per class, or a CSV file with the columns `file,labels`."""

from __future__ import annotations

from collections.abc import Sequence

from biodeephashing.data.parsers import folder_parser
from biodeephashing.errors import guard


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    options = folder_parser(__doc__).parse_args(argv)
    from biodeephashing.commands.prepare import prepare_folder

    prepare_folder(options)


if __name__ == "__main__":
    raise SystemExit(guard(main))
