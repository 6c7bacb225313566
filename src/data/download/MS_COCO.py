"""Download MS COCO 2014 (Lin et al., Microsoft COCO: common objects in context, 2014) to data/raw/MS_COCO/."""

from __future__ import annotations

from collections.abc import Sequence

from biodeephashing.data.parsers import download_parser
from biodeephashing.errors import guard


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    options = download_parser("MS_COCO", __doc__).parse_args(argv)
    from biodeephashing.commands.download import download

    return download("MS_COCO", options)


if __name__ == "__main__":
    raise SystemExit(guard(main))
