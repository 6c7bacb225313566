"""What the command lines of this folder have in common."""

from __future__ import annotations

from pathlib import Path

from biodeephashing.data._catalogue import LIST_SOURCES, OWN_FRACTIONS, OWN_SEED, SETS
from biodeephashing.settings import FOLDS
from biodeephashing.settings.flags import add_skip_unreadable, whole_number
from biodeephashing.settings.strict_parser import StrictParser


def parser_of(script: str, description: str | None, *, lists: str = "", images: bool = True) -> StrictParser:
    """Return a parser with the flags that every processor has.

    Args:
        script: its name.
        description: what it does.
        lists: which protocols read lists, in words; empty where none does.
        images: whether it reads image files.
    """
    parser = StrictParser(description=description)
    parser.add_argument("-protocol", "--protocol", default=SETS[script][0], metavar="NAME", help=f"split: {', '.join(SETS[script])}")
    if lists:
        words = f"folder of HashNet's train.txt, test.txt, database.txt, for {lists}; without it data/raw/{script}/lists/"
        parser.add_argument("-lists", "--lists", type=Path, metavar="FOLDER", help=words)
    parser.add_argument("-no_skip", "--no_skip", action="store_true", help="prepare it again even if it is there")
    if images:
        add_skip_unreadable(parser)
    return parser


def folder_parser(description: str | None) -> StrictParser:
    """Return the parser of ``FOLDER.py``."""
    parser = StrictParser(description=description)
    parser.add_argument("place", metavar="PATH", type=Path, help="the folder or the CSV file")
    parser.add_argument("-name", "--name", metavar="NAME", help="data set to write; without it FOLDER_ and the name of the folder or file")
    words = f"fractions of the images, the rest is the database; without it {OWN_FRACTIONS}"
    parser.add_argument("-fractions", "--fractions", metavar="LIST", help=words)
    parser.add_argument("-seed", "--seed", type=whole_number, metavar="N", help=f"seed of the shuffle; without it {OWN_SEED}")
    words = "what separates the labels of an image in a CSV file, as ';'; without it blanks"
    parser.add_argument("-separator", "--separator", metavar="TEXT", help=words)
    words = "leave out classes of fewer images, and images that have no other"
    parser.add_argument("-least", "--least", type=whole_number, metavar="N", help=words)
    parser.add_argument("-no_skip", "--no_skip", action="store_true", help="prepare it again even if it is there")
    add_skip_unreadable(parser)
    return parser


def lists_parser(description: str | None) -> StrictParser:
    """Return the parser of ``lists.py``."""
    parser = StrictParser(description=description)
    parser.add_argument("name", metavar="NAME", help="data set to write, or with -export to read")
    for fold in FOLDS:
        parser.add_argument(f"-{fold}", f"--{fold}", type=Path, metavar="FILE", help=f"list of the fold {fold}")
    words = f"without -val: the fold to draw it from ({', '.join(LIST_SOURCES)})"
    parser.add_argument("-val_from", "--val_from", metavar="FOLD", help=words)
    parser.add_argument("-val_size", "--val_size", type=int, default=0, metavar="N", help="with -val_from: how many images")
    parser.add_argument("-images", "--images", type=Path, metavar="FOLDER", help="folder the images lie below, found by their names")
    parser.add_argument("-classes", "--classes", type=Path, metavar="FILE", help="class names, one in a line, or a table id,name")
    parser.add_argument("-allow", "--allow", nargs="+", default=[], metavar="PAIR", help="folds that may share images, as query-database")
    parser.add_argument("-allow_empty", "--allow_empty", action="store_true", help="make do with classes that no image has")
    parser.add_argument("-no_skip", "--no_skip", action="store_true", help="prepare it again even if it is there")
    add_skip_unreadable(parser)
    parser.add_argument("-export", "--export", type=Path, metavar="FOLDER", help="write the lists of the prepared data set NAME there")
    return parser
