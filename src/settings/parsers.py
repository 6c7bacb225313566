"""The command lines of the entrances: which flags each of them has. Nothing here imports what takes seconds."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentTypeError
from pathlib import Path

from ..errors import unknown_name
from .common import CommonSettings
from .flags import add_measures, add_settings, add_skip_unreadable, whole_number
from .ranges import add_sweep
from .setting import kind_of
from .strict_parser import StrictParser
from .units import add_placement

METRIC = "query_mAP_expected"  # what rules and runs are compared by
CODE_FILES = {
    "queries": "codes of the queries; with a database in shards RUN:FOLD, a fold of the run that encoded it",
    "database": "codes of the database, or the directory of its shards, as encode.py writes them",
    "query_labels": "classes of the queries: 0/1 with a column per class, or a class number or name each",
    "database_labels": "classes of the database",
}
SHARD_FORMATS = ("npy", "parquet")
SHARD_ROWS = 2**20
CODE_KINDS = ("bits", "packed", "features")


def train_parser(table: type[CommonSettings]) -> StrictParser:
    """Return the parser of ``train.py`` with the settings of a method."""
    parser = StrictParser(description="Train a network to hash images.")
    _add_config(parser, "YAML file of settings; flags win over it")
    add_skip_unreadable(parser)
    add_settings(parser, table, "train")
    return parser


def predict_parser(table: type[CommonSettings]) -> StrictParser:
    """Return the parser of ``predict.py`` with the settings of a method."""
    parser = StrictParser(description="Write the codes of a trained run.")
    parser.add_argument(
        "-p", "--path", metavar="RUN", help="run, as a path or DB/EXP[/NAME] (docs/runs.md); its settings are read from there"
    )
    _add_config(parser, "YAML file of settings; flags win over it")
    add_settings(parser, table, "predict")
    return parser


def study_parser(table: type[CommonSettings]) -> StrictParser:
    """Return the parser of ``study.py`` with the settings of a method."""
    parser = StrictParser(description="Train, predict, evaluate and compare a grid of runs. Every setting takes one or more values.")
    _add_config(parser, "YAML file of settings, lists for several values; flags win")
    add_placement(parser)
    add_sweep(parser)
    add_skip_unreadable(parser)
    for field, setting in table.table():
        if "train" not in setting.phases:
            continue
        flags = (f"-{setting.flag}", f"--{field.name}")
        if kind_of(field) == "bool":
            parser.add_argument(*flags, action="store_true", dest=field.name, default=SUPPRESS, help=setting.help)
        else:
            parser.add_argument(*flags, nargs="+", dest=field.name, default=SUPPRESS, metavar="VALUE", help=setting.help)
    return parser


def encode_parser() -> StrictParser:
    """Return the parser of ``encode.py``."""
    parser = StrictParser(description="Write codes of any number of images in shards, by a trained run; shards that are whole are kept.")
    parser.add_argument(
        "-p", "--path", required=True, default=SUPPRESS, metavar="RUN", help="run, as a path or DB/EXP[/NAME] (docs/runs.md)"
    )
    words = (
        "DB:FOLD; a directory of images; a text file with a path in each line; or a Parquet file or tar archive, "
        "several as a pattern in quotation marks"
    )
    parser.add_argument("-images", "--images", required=True, default=SUPPRESS, metavar="SOURCE", help=words)
    parser.add_argument("-o", "--output", type=Path, required=True, default=SUPPRESS, metavar="FOLDER", help="where the shards go")
    words = "most images of a shard, a multiple of -pbs; a Parquet file or an archive is one shard"
    parser.add_argument("-rows", "--rows", type=whole_number, default=SHARD_ROWS, metavar="N", help=words)
    parser.add_argument("-format", "--format", choices=SHARD_FORMATS, default=SHARD_FORMATS[0], help="what the files of codes are")
    words = "leave out the labels of Parquet files and archives, for example of other classes than the run's"
    parser.add_argument("-unlabelled", "--unlabelled", action="store_true", help=words)
    add_skip_unreadable(parser)
    used = ("num_workers", "no_skip", "device", "predict_batch_size")
    add_settings(parser, CommonSettings, "predict", skip=[field.name for field, _ in CommonSettings.table() if field.name not in used])
    add_placement(parser)
    return parser


def rotate_parser(table: type[CommonSettings], parent: type[CommonSettings]) -> StrictParser:
    """Return the parser of ``rotate.py`` with the settings that a rotation has beside those of its parent."""
    parser = StrictParser(description="Rotate the codes of finished runs: each gives a run of its own, and no image is read.")
    _add_runs(parser)
    add_settings(parser, table, "train", skip=[field.name for field, _ in parent.table() if field.name != "no_skip"])
    _add_tracking(parser)
    return parser


def evaluate_parser() -> StrictParser:
    """Return the parser of ``eval_map.py``."""
    parser = StrictParser(description="Measure how well the codes of predicted runs retrieve.")
    _add_runs(parser)
    parser.add_argument(
        "-no_features",
        "--no_features",
        action="store_true",
        help="measure nothing that needs the features: no feature ranking; quick",
    )
    parser.add_argument("-no_skip", "--no_skip", action="store_true", help="measure again even what is up to date")
    _add_tracking(parser)
    parser.add_argument("-make_plots", "--make_plots", action="store_true", help="draw figures, and write their values as CSV")
    parser.add_argument("-device", "--device", default="cpu", metavar="DEVICE", help="has no effect: the CPU is used")
    add_measures(parser)
    return parser


def evaluate_codes_parser() -> StrictParser:
    """Return the parser of ``eval_codes.py``."""
    parser = StrictParser(
        description="Measure how well anybody's codes retrieve. A FILE is .npy, .tsv, .csv, .txt (also .gz), or a variable of a file: "
        "FILE.npz:NAME, FILE.mat:NAME, FILE.pt:NAME, where the name may be left out if just one fits. Codes are +1/-1, 0/1, features "
        "(whose signs are the codes), or packed whole numbers (-bits).",
    )
    for name, words in CODE_FILES.items():
        parser.add_argument(f"-{name}", f"--{name}", default=SUPPRESS, metavar="FILE", help=words)
    words = "in place of -queries and -database, and of labels that it holds too: codes of images and texts, q_img, q_txt, r_img, r_txt"
    parser.add_argument("-mat", "--mat", type=Path, default=SUPPRESS, metavar="FILE.mat", help=words)
    parser.add_argument(
        "-bits", "--bits", type=whole_number, default=SUPPRESS, metavar="N", help="length of a code; needed for packed codes"
    )
    words = f"what the codes are: {', '.join(CODE_KINDS)}"
    parser.add_argument("-kind", "--kind", type=_code_kind, default=SUPPRESS, metavar="KIND", help=words)
    parser.add_argument("-transpose", "--transpose", action="store_true", help="the codes have a column per item")
    for name, words in (("heading", "the first row of text files is a heading"), ("index", "their first column counts or names the rows")):
        parser.add_argument(f"-{name}", f"--{name}", type=_yes, default=SUPPRESS, metavar="yes|no", help=words)
    parser.add_argument("-leave_one_out", "--leave_one_out", action="store_true", help="rank each query against the others, not itself")
    words = "where to write the numbers; with -part the directory of what parts count"
    parser.add_argument("-o", "--output", type=Path, default=SUPPRESS, metavar="RESULT.json", help=words)
    parser.add_argument("-no_skip", "--no_skip", action="store_true", help="replace RESULT.json if it is there, or count a part again")
    words = "measure the shards that are there where some are missing; the result says so"
    parser.add_argument("-partial", "--partial", action="store_true", help=words)
    words = "count distinct codes and collisions of a database in shards, too; with -merge, -database names the shards"
    parser.add_argument("-health", "--health", action="store_true", help=words)
    words = "add up what the parts of a database in shards counted, in place of -queries and -database"
    parser.add_argument("-merge", "--merge", type=Path, default=SUPPRESS, metavar="FOLDER", help=words)
    add_placement(parser, skip=("jobs",))
    add_measures(parser)
    return parser


def compare_parser() -> StrictParser:
    """Return the parser of ``compare.py``."""
    parser = StrictParser(description="Compare the learning rules of an experiment, as MLflow knows it, or two runs query by query.")
    defaults = {field.name: field.default for field, _ in CommonSettings.table()}
    for flag, name, words in (("-exp", "experiment_name", "experiment"), ("-db", "database", "dataset")):
        parser.add_argument(flag, f"--{name}", default=SUPPRESS, metavar="NAME", help=f"{words} (default: {defaults[name]})")
    parser.add_argument("-p", "--path", nargs=2, default=SUPPRESS, metavar=("RUN_A", "RUN_B"), help="two runs, in place of -exp and -db")
    parser.add_argument("-metric", "--metric", default=METRIC, metavar="NAME", help="what rules or runs are ordered, drawn and compared by")
    words = "settings that every rule has its own value of (learning_rate); of several values, the best by val mAP counts"
    parser.add_argument("-per_rule", "--per_rule", nargs="+", default=[], metavar="NAME", help=words)
    return parser


def baselines_parser() -> StrictParser:
    """Return the parser of ``baselines.py``."""
    parser = StrictParser(description="Measure codes of images and texts that need no network: what a learned method should beat.")
    parser.add_argument("-db", "--database", default="GLYPHS", metavar="NAME", help="dataset whose images have texts (default: GLYPHS)")
    parser.add_argument(
        "-nbits", "--number_of_bits", type=whole_number, nargs="+", default=[16, 32, 64], metavar="N", help="lengths of codes"
    )
    return parser


def shorten_parser() -> StrictParser:
    """Return the parser of ``shorten.py``."""
    parser = StrictParser(description="Measure shorter codes, made of the bits that the towers of a SCAHN run weigh most.")
    _add_runs(parser)
    words = "lengths of codes (default: 16 32 64, as far as they are shorter than the run's)"
    parser.add_argument("-nbits", "--number_of_bits", type=whole_number, nargs="+", default=SUPPRESS, metavar="N", help=words)
    words = "bits of which weights are kept: largest, or smallest"
    parser.add_argument("-end", "--end", choices=("largest", "smallest"), default="largest", help=words)
    return parser


def new_loss_parser() -> StrictParser:
    """Return the parser of ``new_method.py``."""
    parser = StrictParser(description="Write NAME.py, a cross-modal loss of one's own that trains as it stands: -loss NAME.py:NAME.")
    parser.add_argument("name", metavar="NAME", help="name of the class, and of the file in the working directory")
    return parser


def doctor_parser() -> StrictParser:
    """Return the parser of ``doctor.py``."""
    parser = StrictParser(description="Examine the images and labels of a prepared dataset; the exit status is 0 when it is healthy.")
    parser.add_argument("database", metavar="DB", help="dataset, as prepared under data/processed/")
    parser.add_argument("-strict", "--strict", action="store_true", help="count remarks, such as equal images under two names, as faults")
    return parser


def list_parser() -> StrictParser:
    """Return the parser of ``biodeephashing list``."""
    parser = StrictParser(description="List the runs below models/: method, loss, rule, status, query mAP, and the disk each takes.")
    for flag, name, words in (("-exp", "experiment_name", "experiment"), ("-db", "database", "dataset")):
        parser.add_argument(flag, f"--{name}", default=SUPPRESS, metavar="NAME", help=f"only runs of this {words}")
    words = "remove the intermediate checkpoints, epoch=*.ckpt, of finished runs; what predicts and resumes stays"
    parser.add_argument("-prune", "--prune", action="store_true", help=words)
    return parser


def _add_runs(parser: StrictParser) -> None:
    words = "runs: paths, DB/EXP for all of an experiment, or patterns (*), see docs/runs.md"
    parser.add_argument("-p", "--path", nargs="+", action="extend", default=SUPPRESS, required=True, metavar="RUN", help=words)


def _add_tracking(parser: StrictParser) -> None:
    words = "log to MLflow; left out: as the run was trained"
    parser.add_argument("-tracking", "--tracking", choices=("on", "off"), default=SUPPRESS, help=words)


def _add_config(parser: StrictParser, words: str) -> None:
    parser.add_argument("-config", "--config", type=Path, metavar="FILE", help=words)


def _code_kind(text: str) -> str:
    if text not in CODE_KINDS:
        raise unknown_name("kind", text, CODE_KINDS)
    return text


def _yes(text: str) -> bool:
    if text not in ("yes", "no"):
        raise ArgumentTypeError(f"{text!r} is neither yes nor no")
    return text == "yes"
