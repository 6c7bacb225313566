"""The command lines of the entrances that search; nothing here imports what takes seconds."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentTypeError, _ArgumentGroup
from pathlib import Path

from ..modalities import MODALITIES
from ..settings import FOLDS
from ..settings.flags import whole_number
from ..settings.strict_parser import StrictParser
from ..settings.units import add_placement, part_of

MOST_RUNS = 6  # columns that a page has place for
PORT = 7860


def index_parser() -> StrictParser:
    """Return the parser of ``index.py``."""
    parser = StrictParser(description="Build the index of a run's database, add images to it, remove some, or examine it.")
    parser.add_argument("-p", "--path", required=True, default=SUPPRESS, metavar="RUN", help="run directory")
    words = "of a run of images and texts: whose index (default: both; -add and -remove: image)"
    parser.add_argument("-in", "--in", dest="view", choices=MODALITIES, default=None, help=words)
    words = f"folds whose codes the index holds: {', '.join(FOLDS)} (default: database)"
    parser.add_argument("-dfs", "--datafolds", nargs="+", type=_fold, default=[], metavar="FOLD", help=words)
    _add_database(parser)
    parser.add_argument(
        "-part", "--part", type=part_of, default=SUPPRESS, metavar="I/N", help="of shards: only the I-th of N parts, from 0"
    )
    words = "where the index lies (default: index/ in the run directory, index-text/ for texts; index/ beside shards)"
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
    words = "Find the images, or the texts, of the database that are nearest to an image, a text, a row of a fold, or a code."
    parser = StrictParser(description=words)
    parser.add_argument("-p", "--path", nargs="+", required=True, default=SUPPRESS, metavar="RUN", help="run directories; each answers")
    parser.add_argument("-img", "--images", nargs="+", type=Path, default=[], metavar="FILE", help="query images")
    words = "query texts, each in quotation marks, for runs of images and texts"
    parser.add_argument("-text", "--texts", nargs="+", default=[], metavar="TEXT", help=words)
    parser.add_argument("-row", "--rows", nargs="+", default=[], metavar="FOLD:ROW", help="rows of predicted folds: query:17")
    words = "which view of a row is the query (default: image)"
    parser.add_argument("-of", "--of", dest="row_view", choices=MODALITIES, default=None, help=words)
    words = "codes: .npy, packed uint8 or one number per bit, a row each"
    parser.add_argument("-codes", "--codes", type=Path, default=None, metavar="FILE", help=words)
    parser.add_argument("-in", "--in", dest="view", choices=(*MODALITIES, "both"), default="image", help="what is searched for")
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
    _add_database(parser)
    words = "where the index lies, for one run and one view (default: in the run directory, or beside the shards)"
    parser.add_argument("-index", "--index", type=Path, default=None, metavar="FOLDER", help=words)
    parser.add_argument("-no_skip", "--no_skip", action="store_true", help="replace files that are there")
    add_placement(parser, skip=("jobs", "part"))
    return parser


def serve_parser() -> StrictParser:
    """Return the parser of ``serve.py``."""
    parser = StrictParser(description="Serve a page, and an HTTP API, that search with one run or compare several.")
    words = f"run directories of one dataset, at most {MOST_RUNS}"
    parser.add_argument("-p", "--path", nargs="+", required=True, default=SUPPRESS, metavar="RUN", help=words)
    _add_database(parser)
    parser.add_argument("-port", "--port", type=whole_number, default=PORT, metavar="N", help="port to listen on")
    words = "address to listen on; with another than the default anybody on the network can look at the images"
    parser.add_argument("-host", "--host", default="127.0.0.1", metavar="ADDRESS", help=words)
    parser.add_argument("-no_browser", "--no_browser", action="store_true", help="do not open the page in a browser")
    return parser


def export_parser() -> StrictParser:
    """Return the parser of ``export.py``."""
    parser = StrictParser(description="Export the network of a run to ONNX and torch.export, with all that happens to an image before it.")
    parser.add_argument("-p", "--path", required=True, default=SUPPRESS, metavar="RUN", help="run directory")
    words = "where the export goes (default: export/ in the run directory)"
    parser.add_argument("-o", "--output", type=Path, default=SUPPRESS, metavar="FOLDER", help=words)
    words = "log it as a model to the run's MLflow run, for `mlflow models serve`"
    parser.add_argument("-mlflow", "--mlflow", action="store_true", help=words)
    parser.add_argument("-no_skip", "--no_skip", action="store_true", help="write it again even if it is up to date")
    return parser


def infer_parser() -> StrictParser:
    """Return the parser of ``infer.py``."""
    parser = StrictParser(description="Make codes of images by an exported network; this needs NumPy, Pillow and onnxruntime only.")
    parser.add_argument("-m", "--model", type=Path, required=True, default=SUPPRESS, metavar="FOLDER", help="what export.py wrote")
    parser.add_argument("-img", "--images", type=Path, nargs="+", required=True, default=SUPPRESS, metavar="FILE", help="images")
    words = "write the codes, packed uint8, a row for each image"
    parser.add_argument("-o", "--output", type=Path, default=None, metavar="CODES.npy", help=words)
    words = "compare with the codes that this run has of the images; exit status 1 where one differs"
    parser.add_argument("-p", "--path", default=None, metavar="RUN", help=words)
    parser.add_argument("-no_skip", "--no_skip", action="store_true", help="replace the file that is there")
    return parser


def _add_database(parser: StrictParser) -> None:
    words = "in place of the run's database: images that it encoded in shards, the directory that encode.py wrote"
    parser.add_argument("-database", "--database", type=Path, default=None, metavar="FOLDER", help=words)
    words = "of a database in shards: take those that are there where some are missing"
    parser.add_argument("-partial", "--partial", action="store_true", help=words)


def _add_filter(parser: StrictParser | _ArgumentGroup) -> None:
    parser.add_argument("-class", "--classes", nargs="+", default=None, metavar="NAME", help="only neighbours of one of these classes")
    parser.add_argument("-not_itself", "--not_itself", action="store_true", help="leave out the query's own item")


def _fold(text: str) -> str:
    if text not in FOLDS:
        raise ArgumentTypeError(f"{text!r} is no fold; those are {', '.join(FOLDS)}")
    return text
