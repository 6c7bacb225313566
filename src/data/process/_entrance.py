"""What the command lines of this folder have in common."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from biodeephashing.arguments import StrictParser, add_skip_unreadable
from biodeephashing.data._catalogue import SETS

if TYPE_CHECKING:
    from biodeephashing.data.split import Split


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


def report(split: Split, written: bool, *, train: str = "-bs 128 -ep 20 -arch bio-vgg16 -loss DCH -nbits 32 -mode fa") -> None:
    """Print what was prepared, what its labels were understood to be, and the command that comes next.

    Args:
        split: the facts about the split.
        written: whether it was written now.
        train: settings of a first training.
    """
    from biodeephashing.data._unreadable import words_of_left_out

    for line in words_of_left_out(split.database):
        print(line)
    print(split.caption if written else f"already prepared, nothing to do (-no_skip prepares it again): {split.caption}")
    for line in split.understood:
        print(line)
    print(f"next: python src/models/PenaltyStrategies/train.py -exp bioexp -db {split.database} {train}")


def list_files(folder: Path) -> Mapping[str, Path]:
    """Return the files of HashNet's three lists in a folder.

    Raises:
        DataError: when one is missing.
    """
    from biodeephashing.data._lists import FILES
    from biodeephashing.errors import DataError

    files = {fold: folder / FILES[fold] for fold in ("train", "query", "database")}
    missing = [file.name for file in files.values() if not file.is_file()]
    if missing:
        raise DataError(
            f"{folder} does not hold {', '.join(missing)}: this protocol reads the lists of the HashNet release "
            f"(https://github.com/thuml/HashNet); -lists FOLDER says where they are"
        )
    return files
