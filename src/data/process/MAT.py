"""Prepare images, texts and labels from the MATLAB files of torchcmh, DCMH and the followers of DCMHT."""

from __future__ import annotations

from collections.abc import Sequence

from biodeephashing.data.parsers import mat_parser
from biodeephashing.errors import guard


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    options = mat_parser(__doc__).parse_args(argv)
    from biodeephashing.commands.prepare import prepare_pairs

    prepare_pairs(options)


if __name__ == "__main__":
    raise SystemExit(guard(main))
