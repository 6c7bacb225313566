"""Write codes of many images in shards: ``biodeephashing encode`` or ``python src/models/encode.py -p RUN -images SOURCE -o FOLDER``."""

from __future__ import annotations

from collections.abc import Sequence

from biodeephashing.errors import guard
from biodeephashing.interrupts import defer_interrupts
from biodeephashing.settings.parsers import encode_parser


def main(argv: Sequence[str] | None = None) -> None:
    """Parse a command line and write the shards that are missing."""
    arguments = encode_parser().parse_args(argv)
    with defer_interrupts():
        from biodeephashing.commands.encode import from_arguments

    from_arguments(arguments)


if __name__ == "__main__":
    raise SystemExit(guard(main))
