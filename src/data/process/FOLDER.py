"""Prepare own images: a folder with one sub-folder per class, or a CSV file with the columns `file,labels`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from biodeephashing.arguments import StrictParser, add_skip_unreadable, whole_number
from biodeephashing.data.own_images import FRACTIONS, SEED, prepare_own
from biodeephashing.data.process._entrance import report
from biodeephashing.errors import guard


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = StrictParser(description=__doc__)
    parser.add_argument("place", metavar="PATH", type=Path, help="the folder or the CSV file")
    parser.add_argument("-name", "--name", metavar="NAME", help="data set to write; without it FOLDER_ and the name of the folder or file")
    words = f"fractions of the images, the rest is the database; without it {FRACTIONS}"
    parser.add_argument("-fractions", "--fractions", metavar="LIST", help=words)
    parser.add_argument("-seed", "--seed", type=whole_number, metavar="N", help=f"seed of the shuffle; without it {SEED}")
    words = "what separates the labels of an image in a CSV file, as ';'; without it blanks"
    parser.add_argument("-separator", "--separator", metavar="TEXT", help=words)
    words = "leave out classes of fewer images, and images that have no other"
    parser.add_argument("-least", "--least", type=whole_number, metavar="N", help=words)
    parser.add_argument("-no_skip", "--no_skip", action="store_true", help="prepare it again even if it is there")
    add_skip_unreadable(parser)
    options = parser.parse_args(argv)
    outcome = prepare_own(
        options.place,
        options.name,
        fractions=options.fractions,
        seed=options.seed,
        separator=options.separator,
        least=options.least,
        no_skip=options.no_skip,
        skip_unreadable=options.skip_unreadable,
    )
    if outcome.left_out:
        print(outcome.left_out)
    report(outcome.split, outcome.written)


if __name__ == "__main__":
    raise SystemExit(guard(main))
