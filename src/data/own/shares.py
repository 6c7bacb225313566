"""Splits of somebody's own items by fractions: each fold gets its share of every class, or of all items."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError, UsageError
from ..catalogue import OWN_FRACTIONS
from ..prepare import splits
from ..prepare.labels import few

_FOLDS = ("train", "query", "val")  # in this order; the rest is database


def parse_fractions(text: str) -> dict[str, Fraction]:
    """Return the fractions of train, query and val, exactly as they are written.

    Args:
        text: ``train=0.5,val=0.1,query=0.1``, in any order.

    Raises:
        UsageError: for another form, a fraction that is not above 0, or fractions that leave nothing for the database.

    Example:
        >>> parse_fractions("train=0.29,val=0.1,query=0.1")["train"]
        Fraction(29, 100)
    """
    pairs = [part.strip().partition("=") for part in text.split(",")]
    values = {fold: value.strip() for fold, _, value in pairs}
    if len(pairs) != len(_FOLDS) or set(values) != set(_FOLDS) or not all(re.fullmatch(r"\d*\.?\d+", value) for value in values.values()):
        raise UsageError(f"-fractions {text!r} is not of the form {OWN_FRACTIONS}")
    shares = {fold: Fraction(values[fold]) for fold in _FOLDS}
    if min(shares.values()) <= 0 or sum(shares.values()) >= 1:
        raise UsageError(f"-fractions {text}: each must be above 0 and all together below 1, as the rest is the database")
    return shares


def is_single(labels: NDArray[np.uint8]) -> bool:
    """Return whether every item has just one class, of labels (n, C)."""
    return bool((labels.sum(axis=1) == 1).all())


def rule_of(shares: Mapping[str, Fraction], *, single: bool) -> str:
    """Return the rule of a split by fractions in words.

    Args:
        shares: fraction of each fold.
        single: whether every item has just one class.
    """
    words = f"{', '.join(f'{fold} {float(share):g}' for fold, share in shares.items())}, rounded down but at least 1, the rest database"
    return f"per class, after one shuffle of all images: {words}" if single else f"of all images, shuffled: {words}"


def dealt(
    labels: NDArray[np.uint8], names: Sequence[str], shares: Mapping[str, Fraction], *, single: bool, seed: int
) -> dict[str, NDArray[np.int64]]:
    """Give each fold its fraction of every class where every item has just one, else of all items after one shuffle.

    Args:
        labels: (n, C), each 0 or 1.
        names: C class names.
        shares: fraction of each fold; the rest is the database.
        single: whether every item has just one class.
        seed: seed of the shuffle.

    Raises:
        DataError: if a class of the queries has no item in the database.
    """
    if single:
        return splits.per_class_share(labels.argmax(axis=1), shares, names=names, seed=seed)
    folds = splits.random_split(len(labels), splits.share_sizes(len(labels), shares), seed=seed)
    _check_answerable(labels, folds, names)
    return folds


def _check_answerable(labels: NDArray[np.uint8], folds: Mapping[str, NDArray[np.int64]], names: Sequence[str]) -> None:
    """Check that every class of the queries occurs in the database: a query without a relevant item has no average precision."""
    missing = np.flatnonzero(labels[folds["query"]].any(axis=0) & ~labels[folds[splits.REST]].any(axis=0)).tolist()
    if missing:
        words = few([f"{names[column]!r} ({labels[:, column].sum()} images)" for column in missing])
        raise DataError(
            f"{len(missing)} of {len(names)} classes are too small for the split: queries have them, but no image of database: {words}; "
            f"add images, leave small classes out (-least N), or try another seed"
        )
