"""The command lines of the entrances that search; nothing here imports what takes seconds."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentTypeError, _ArgumentGroup
from pathlib import Path

from ..settings import FOLDS
from ..settings.flags import whole_number
from ..settings.strict_parser import StrictParser

MOST_RUNS = 6  # columns that a page has place for
PORT = 7860


def index_parser() -> StrictParser:
    """Return the parser of ``index.py``."""
    parser = StrictParser(description="Build the index of a run's database, add images to it, remove some, or examine it.")
    parser.add_argument("-p", "--path", required=True, default=SUPPRESS, metavar="RUN", help="run directory")
    words = f"folds whose codes the index holds: {', '.join(FOLDS)} (default: database)"
    parser.add_argument("-dfs", "--datafolds", nargs="+", type=_fold, default=[], metavar="FOLD", help=words)
    words = "where the index lies (default: index/ in the run directory)"
    parser.add_argument("-o", "--output", type=Path, default=SUPPRESS, metavar="FOLDER", help=words)
    parser.add_argument("-no_skip", "--no_skip", action="store_true", help="build it anew even if it is up to date; added images stay")
    group = parser.add_argument_group("instead of building", "one of these")
    words = "add images: files, directories with all images below them, or a CSV table with the columns `file,labels`"
    group.add_argument("-add", "--add", nargs="+", type=Path, default=[], metavar="FILE", help=words)
    group.add_argument("-remove", "--remove", nargs="+", default=[], metavar="ITEM", help="remove images by path or id")
    for name, words in (
        ("compact", "merge all segments, and give free what removed items take"),
        ("check", "compare every file of the index with its checksum"),
        ("facts", "print what the index holds and belongs to"),
    ):
        group.add_argument(f"-{name}", f"--{name}", action="store_true", help=words)
    return parser


def query_parser() -> StrictParser:
    """Return the parser of ``query.py``."""
    parser = StrictParser(description="Find the database images that are nearest to an image, a row of a fold, or a code.")
    parser.add_argument("-p", "--path", nargs="+", required=True, default=SUPPRESS, metavar="RUN", help="run directories; each answers")
    parser.add_argument("-img", "--images", nargs="+", type=Path, default=[], metavar="FILE", help="query images")
    parser.add_argument("-row", "--rows", nargs="+", default=[], metavar="FOLD:ROW", help="rows of predicted folds: query:17")
    words = "codes: .npy, packed uint8 or one number per bit, a row each"
    parser.add_argument("-codes", "--codes", type=Path, default=None, metavar="FILE", help=words)
    parser.add_argument("-k", "--k", type=whole_number, default=10, metavar="N", help="how many neighbours")
    parser.add_argument("-radius", "--radius", type=whole_number, default=None, metavar="N", help="all within it, in place of -k")
    parser.add_argument("-most", "--most", type=whole_number, default=1000, metavar="N", help="with -radius: how many at most")
    _add_filter(parser)
    words = "order of equal distances: id, or features (their distance at unit length)"
    parser.add_argument("-ties", "--ties", choices=("id", "features"), default="id", help=words)
    words = "directory for a sheet of the query with its neighbours, a table, and copies of the neighbours"
    parser.add_argument("-save_path", "--save_path", type=Path, default=None, metavar="DIR", help=words)
    parser.add_argument("-show", "--show", action="store_true", help="open the sheet in the desktop's viewer")
    parser.add_argument("-o", "--output", type=Path, default=None, metavar="ANSWER.json", help="write the answers as JSON")
    words = "where the index lies, for one run (default: index/ in the run directory)"
    parser.add_argument("-index", "--index", type=Path, default=None, metavar="FOLDER", help=words)
    parser.add_argument("-no_skip", "--no_skip", action="store_true", help="replace files that are there")
    return parser


def serve_parser() -> StrictParser:
    """Return the parser of ``serve.py``."""
    parser = StrictParser(description="Serve a page, and an HTTP API, that search with one run or compare several.")
    words = f"run directories of one dataset, at most {MOST_RUNS}"
    parser.add_argument("-p", "--path", nargs="+", required=True, default=SUPPRESS, metavar="RUN", help=words)
    parser.add_argument("-port", "--port", type=whole_number, default=PORT, metavar="N", help="port to listen on")
    words = "address to listen on; with another than the default anybody on the network can look at the images"
    parser.add_argument("-host", "--host", default="127.0.0.1", metavar="ADDRESS", help=words)
    parser.add_argument("-no_browser", "--no_browser", action="store_true", help="do not open the page in a browser")
    return parser


def _add_filter(parser: StrictParser | _ArgumentGroup) -> None:
    parser.add_argument("-class", "--classes", nargs="+", default=None, metavar="NAME", help="only neighbours of one of these classes")
    parser.add_argument("-not_itself", "--not_itself", action="store_true", help="leave out the item that is the query's own image")


def _fold(text: str) -> str:
    if text not in FOLDS:
        raise ArgumentTypeError(f"{text!r} is no fold; those are {', '.join(FOLDS)}")
    return text
