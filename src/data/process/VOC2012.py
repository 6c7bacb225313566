"""Prepare PASCAL VOC 2012: by default 4,000 train, 1,000 query and 1,000 val images, the rest database; all disjoint."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from biodeephashing.data._catalogue import check_protocol
from biodeephashing.data.process._entrance import parser_of, report
from biodeephashing.errors import guard

if TYPE_CHECKING:
    from biodeephashing.data._prepare import Content
    from biodeephashing.data.split import Split


def process(protocol: str = "VOC2012", *, no_skip: bool = False, skip_unreadable: Fraction = Fraction()) -> tuple[Split, bool]:
    """Write PASCAL VOC 2012 to ``data/processed/<protocol>/``, unless it is there already; images are linked, not copied, where possible.

    Args:
        protocol: "VOC2012" (all disjoint) or "voc2012" (same folds, but the database also holds the val images).
        no_skip: write it again even if it is there.
        skip_unreadable: the largest share of the images that may be left out because they cannot be decoded.

    Returns:
        The facts about the split, and whether it was written now.

    Raises:
        UnknownNameError: for an unknown protocol.
        DataError: when the download or an image is missing or damaged.
    """
    from biodeephashing.data._prepare import prepare

    check_protocol("VOC2012", protocol)
    return prepare(protocol, lambda: _content(protocol), no_skip=no_skip, skip_unreadable=skip_unreadable)


def _content(name: str) -> Content:
    from biodeephashing.data import _voc
    from biodeephashing.data._dealt import dealt
    from biodeephashing.runs import raw_folder

    table = _voc.read(raw_folder("VOC2012"))
    table.check_present(_voc.ADVICE)
    return dealt(table, name, disjoint=name == "VOC2012", source=_voc.SOURCE)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    options = parser_of("VOC2012", __doc__).parse_args(argv)
    report(*process(options.protocol, no_skip=options.no_skip, skip_unreadable=options.skip_unreadable))


if __name__ == "__main__":
    raise SystemExit(guard(main))
