"""Prepare a dataset, and print its facts and the next command."""

from __future__ import annotations

from argparse import Namespace

from ..data.images.decoding import decode
from ..data.mat.content import prepare_mat
from ..data.metadata import load_fold
from ..data.own.features import prepare_features
from ..data.own.images import prepare_own
from ..data.own.lists import process
from ..data.prepare.image_lists import export
from ..data.prepare.unreadable import words_of_left_out
from ..data.sets.dataset import FIRST_PAIR_TRAINING, FIRST_SMALL_PAIR_TRAINING, FIRST_TRAINING, public_dataset
from ..data.split import Split
from ..errors import UsageError
from ..runs import DEFAULT_METHOD
from ..settings import FOLDS
from ..settings.strict_parser import command_line

FIRST_FEATURE_PAIR_TRAINING = "-bs 128 -ep 20 -arch mlp -loss DCMH -nbits 32"
_SMALL = 64  # pixels of a side: up to these a small network is proposed, which learns from scratch


def prepare_public(name: str, options: Namespace) -> None:
    """Prepare a public dataset.

    Args:
        name: its file in ``data/sets/``.
        options: the options of its ``process`` script.
    """
    dataset = public_dataset(name)
    split, written = dataset.prepare(**vars(options))
    if split.has_texts:
        report(split, written, dataset.first_pair_training, method="CrossModal")
    else:
        report(split, written, dataset.first_training)


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
    details = dict(vars(options))
    lists = {fold: file for fold in FOLDS if (file := details.pop(fold)) is not None}
    folder = details.pop("export")
    if folder is not None:
        if lists or options.images:
            raise UsageError("-export writes lists of a prepared dataset and takes no lists or images")
        for file in export(options.name, folder):
            print(file)
        return
    if options.images is None:
        raise UsageError("-images FOLDER is needed: the directory the images lie below")
    report(*process(lists=lists, **details))


def prepare_rows(options: Namespace) -> None:
    """Prepare ready features that ``FEATURES.py`` names."""
    split, written = prepare_features(**vars(options))
    if split.has_features("text"):
        report(split, written, FIRST_FEATURE_PAIR_TRAINING, method="CrossModal")
    else:
        report(split, written, "-bs 128 -ep 20 -arch bio-mlp:512 -loss DCH -nbits 32 -mode fa -lr 1e-3")


def prepare_pairs(options: Namespace) -> None:
    """Prepare images, texts and labels of MATLAB files that ``MAT.py`` names."""
    split, written = prepare_mat(**vars(options))
    if split.has_features():
        train = FIRST_FEATURE_PAIR_TRAINING
    else:
        train = FIRST_SMALL_PAIR_TRAINING if _first_side(split) <= _SMALL else FIRST_PAIR_TRAINING
    report(split, written, train, method="CrossModal")


def _first_side(split: Split) -> int:
    """Return the longer side of the first image of train, in pixels; 0 where all items are texts alone."""
    train = load_fold(split.database, "train")
    row = int(train.present.argmax())
    return max(decode(train.image(row))[0].size) if train.present[row] else 0


def report(split: Split, written: bool, train: str = FIRST_TRAINING, method: str = DEFAULT_METHOD) -> None:
    """Print the split, how its labels were interpreted, and the next command.

    Args:
        split: the facts about the split.
        written: whether it was written now.
        train: settings of a first training.
        method: its method.
    """
    for line in words_of_left_out(split.database):
        print(line)
    print(split.caption if written else f"already prepared, nothing to do (-no_skip prepares it again): {split.caption}")
    for line in split.understood:
        print(line)
    print(f"next: {command_line(f'src/models/{method}/train.py')} -exp bioexp -db {split.database} {train}")
