"""Prepare a data set, and say what it was understood to be and what comes next."""

from __future__ import annotations

from argparse import Namespace
from importlib import import_module

from ..data._lists import export
from ..data._unreadable import words_of_left_out
from ..data.own_images import prepare_own
from ..data.own_lists import process
from ..data.split import Split
from ..errors import UsageError
from ..settings import FOLDS
from ..settings.strict_parser import command_line

_TRAINING = "-bs 128 -ep 20 -arch bio-vgg16 -loss DCH -nbits 32 -mode fa"
_FIRST_TRAINING = {"DIGITS": "-trf none -arch bio-lenet -loss DCH -nbits 32 -mode fa -bs 64 -ep 20 -lr 3e-4"}


def prepare_set(name: str, options: Namespace) -> None:
    """Prepare a public data set.

    Args:
        name: its module in ``data/sets/``.
        options: the arguments of its ``process``.
    """
    split, written = import_module(f"biodeephashing.data.sets.{name}").process(**vars(options))
    report(split, written, _FIRST_TRAINING.get(name, _TRAINING))


def prepare_folder(options: Namespace) -> None:
    """Prepare own images that ``FOLDER.py`` names."""
    outcome = prepare_own(**vars(options))
    if outcome.left_out:
        print(outcome.left_out)
    report(outcome.split, outcome.written)


def prepare_lists(options: Namespace) -> None:
    """Prepare what the lists of ``lists.py`` name, or write such lists.

    Raises:
        UsageError: for flags that contradict each other or are missing.
    """
    given = dict(vars(options))
    lists = {fold: file for fold in FOLDS if (file := given.pop(fold)) is not None}
    folder = given.pop("export")
    if folder is not None:
        if lists or options.images:
            raise UsageError("-export writes lists of a prepared data set and takes no lists or images")
        for file in export(options.name, folder):
            print(file)
        return
    if options.images is None:
        raise UsageError("-images FOLDER is needed: the folder the images lie below")
    report(*process(lists=lists, **given))


def report(split: Split, written: bool, train: str = _TRAINING) -> None:
    """Print what was prepared, what its labels were understood to be, and the command that comes next.

    Args:
        split: the facts about the split.
        written: whether it was written now.
        train: settings of a first training.
    """
    for line in words_of_left_out(split.database):
        print(line)
    print(split.caption if written else f"already prepared, nothing to do (-no_skip prepares it again): {split.caption}")
    for line in split.understood:
        print(line)
    print(f"next: {command_line('src/models/PenaltyStrategies/train.py')} -exp bioexp -db {split.database} {train}")
