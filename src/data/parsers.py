"""The command lines of ``download/``, ``process/`` and of own images. Nothing here imports what takes seconds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from biodeephashing.data.catalogue import LIST_SOURCES, MAT_PROTOCOLS, MAT_SEED, MAT_SIZES, OWN_FRACTIONS, OWN_SEED, declared, protocols_of
from biodeephashing.settings import FOLDS
from biodeephashing.settings.flags import add_skip_unreadable, whole_number
from biodeephashing.settings.strict_parser import StrictParser

# What a flag is unless a dataset declares otherwise.
_DOWNLOAD: Mapping[str, Mapping[str, Any]] = {
    "-from": {"dest": "source", "type": Path, "metavar": "PATH", "help": "archive or folder that is already on disk"},
    "-url": {"help": "mirror to download the archive from"},
    "-lists": {"type": Path, "metavar": "FOLDER"},
    "-connections": {"type": int, "metavar": "N"},
}
_NO_SKIP: Mapping[str, Any] = {"action": "store_true", "help": "prepare it again even if it is there"}
_PREPARE: Mapping[str, Mapping[str, Any]] = {
    "-allow_missing": {"action": "store_true", "help": "do without missing images: their texts stay, items without text are left out"},
    "-no_skip": _NO_SKIP,
}


def download_parser(name: str, description: str | None) -> StrictParser:
    """Return the parser of the ``download`` script of a public dataset.

    Args:
        name: the dataset.
        description: what the script does.
    """
    note = declared(name).get("DOWNLOAD_NOTE")
    parser = StrictParser(description=description, epilog=note and f"{note}.")
    for flag, details in declared(name)["DOWNLOAD_FLAGS"].items():
        parser.add_argument(flag, f"-{flag}", **{**_DOWNLOAD.get(flag, {}), **details})
    return parser


def process_parser(name: str, description: str | None) -> StrictParser:
    """Return the parser of the ``process`` script of a public dataset.

    Args:
        name: the dataset.
        description: what the script does.
    """
    parser, protocols = StrictParser(description=description), protocols_of(name)
    for flag, details in declared(name)["PREPARE_FLAGS"].items():
        if flag == "-protocol":
            parser.add_argument(flag, "--protocol", default=protocols[0], metavar="NAME", help=f"split: {', '.join(protocols)}")
        elif flag == "-lists":
            words = f"folder of HashNet's train.txt, test.txt, database.txt, for {details['used_by']}; without it data/raw/{name}/lists/"
            parser.add_argument(flag, "--lists", type=Path, metavar="FOLDER", help=words)
        elif flag == "-skip_unreadable":
            add_skip_unreadable(parser)
        else:
            parser.add_argument(flag, f"-{flag}", **{**_PREPARE.get(flag, {}), **details})
    return parser


def folder_parser(description: str | None) -> StrictParser:
    """Return the parser of ``FOLDER.py``."""
    parser = StrictParser(description=description)
    parser.add_argument("path", metavar="PATH", type=Path, help="the folder or the CSV file")
    parser.add_argument("-name", "--name", metavar="NAME", help="dataset to write; without it FOLDER_ and the name of the folder or file")
    words = f"fractions of the images, the rest is the database; without it {OWN_FRACTIONS}"
    parser.add_argument("-fractions", "--fractions", metavar="LIST", help=words)
    parser.add_argument("-seed", "--seed", type=whole_number, metavar="N", help=f"seed of the shuffle; without it {OWN_SEED}")
    words = "what separates the labels of an image in a CSV file, as ';'; without it blanks"
    parser.add_argument("-separator", "--separator", metavar="TEXT", help=words)
    words = "leave out classes of fewer images, and images that have no other"
    parser.add_argument("-least", "--least", type=whole_number, metavar="N", help=words)
    parser.add_argument("-no_skip", "--no_skip", **_NO_SKIP)
    add_skip_unreadable(parser)
    return parser


def features_parser(description: str | None) -> StrictParser:
    """Return the parser of ``FEATURES.py``."""
    parser = StrictParser(description=description)
    parser.add_argument("-name", "--name", metavar="NAME", required=True, help="dataset to write")
    several: dict[str, Any] = {"nargs": "+", "metavar": "FILE", "default": ()}
    words = "FILE.npy of all items, (n, D), or train=FILE.npy query=FILE.npy and maybe val=FILE.npy database=FILE.npy"
    parser.add_argument("-features", "--features", **several, help=words)
    parser.add_argument("-texts", "--texts", **several, help="the same of a second view, as features of texts")
    words = "the same: .npy, class numbers or 0/1 rows; .txt, labels of an item in each line; .csv, columns file,labels"
    parser.add_argument("-labels", "--labels", **several, help=words)
    parser.add_argument("-classes", "--classes", type=Path, metavar="FILE", help="class names, one in a line, for class numbers from 0")
    words = "in place of these: a file or directory of features as Wikipedia, wikiData.mat, uci_all.mat or an .npz file have them"
    parser.add_argument("-from", "--from", dest="source", type=Path, metavar="PATH", help=words)
    words = f"fractions of all items, the rest is the database; without it {OWN_FRACTIONS}"
    parser.add_argument("-fractions", "--fractions", metavar="LIST", help=words)
    parser.add_argument("-sizes", "--sizes", metavar="LIST", help="in place of fractions: train=5000,val=1000,query=1000")
    parser.add_argument("-seed", "--seed", type=whole_number, metavar="N", help=f"seed of the shuffle; without it {OWN_SEED}")
    words = "folds that lie in the database as well: train-database, val-database"
    parser.add_argument("-share", "--share", nargs="+", default=[], metavar="PAIR", help=words)
    words = "with folds without val: how many items of train are drawn for it; without it a tenth"
    parser.add_argument("-val_size", "--val_size", type=whole_number, metavar="N", help=words)
    parser.add_argument("-no_skip", "--no_skip", **_NO_SKIP)
    return parser


def mat_parser(description: str | None) -> StrictParser:
    """Return the parser of ``MAT.py``."""
    parser = StrictParser(description=description)
    parser.add_argument("-name", "--name", metavar="NAME", required=True, help="dataset to write")
    words = ".mat files, or a folder of them, with images or their paths, tags or captions, and labels; also .npy and .txt"
    parser.add_argument("-from", "--from", dest="files", type=Path, nargs="+", metavar="FILE", required=True, help=words)
    parser.add_argument("-images", "--images", type=Path, metavar="FOLDER", help="folder that the paths of images are below")
    parser.add_argument("-prefix", "--prefix", default="", metavar="PATH", help="part of these paths that -images stands for")
    parser.add_argument("-classes", "--classes", type=Path, metavar="FILE", help="class names, one in a line")
    parser.add_argument("-tags", "--tags", type=Path, metavar="FILE", help="names of tags, one in a line; without it tag0001, ...")
    words = "items that a word must be in; without it 1 of tags, 20 of captions"
    parser.add_argument("-least", "--least", type=whole_number, metavar="N", help=words)
    words = f"{', '.join(MAT_PROTOCOLS)}: by the permutation of torchcmh, or in the order of the files; without it {MAT_PROTOCOLS[0]}"
    parser.add_argument("-protocol", "--protocol", default=MAT_PROTOCOLS[0], metavar="NAME", help=words)
    words = f"numbers of items, the database is everything but the queries; without it {MAT_SIZES}"
    parser.add_argument("-sizes", "--sizes", default=MAT_SIZES, metavar="LIST", help=words)
    words = f"seed of the permutation; without it {MAT_SEED}"
    parser.add_argument("-seed", "--seed", type=whole_number, default=MAT_SEED, metavar="N", help=words)
    parser.add_argument("-allow_missing", "--allow_missing", **_PREPARE["-allow_missing"])
    parser.add_argument("-no_skip", "--no_skip", **_NO_SKIP)
    return parser


def lists_parser(description: str | None) -> StrictParser:
    """Return the parser of ``lists.py``."""
    parser = StrictParser(description=description)
    parser.add_argument("name", metavar="NAME", help="dataset to write, or with -export to read")
    for fold in FOLDS:
        parser.add_argument(f"-{fold}", f"--{fold}", type=Path, metavar="FILE", help=f"list of the fold {fold}")
    words = f"without -val: the fold to draw it from ({', '.join(LIST_SOURCES)})"
    parser.add_argument("-val_from", "--val_from", metavar="FOLD", help=words)
    parser.add_argument("-val_size", "--val_size", type=int, default=0, metavar="N", help="with -val_from: how many images")
    parser.add_argument("-images", "--images", type=Path, metavar="FOLDER", help="folder the images lie below, found by their names")
    parser.add_argument("-classes", "--classes", type=Path, metavar="FILE", help="class names, one in a line, or a table id,name")
    parser.add_argument("-allow", "--allow", nargs="+", default=[], metavar="PAIR", help="folds that may share images, as query-database")
    parser.add_argument("-allow_empty", "--allow_empty", action="store_true", help="make do with classes that no image has")
    parser.add_argument("-no_skip", "--no_skip", **_NO_SKIP)
    add_skip_unreadable(parser)
    parser.add_argument("-export", "--export", type=Path, metavar="FOLDER", help="write the lists of the prepared dataset NAME there")
    return parser
