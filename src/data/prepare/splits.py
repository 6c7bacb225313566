"""Rules that assign images to folds: pure functions of labels and a seed, the same on any machine."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError, UsageError
from ...settings import FOLDS
from .labels import few

REST = "database"
_SIZED = ("train", "val", "query")


@dataclass(frozen=True)
class Protocol:
    """How the images of a dataset are divided, in words and in the overlaps that this means.

    Args:
        name: what ``split.json`` calls it.
        rule: the rule in words.
        seed: seed of its shuffle.
        shared: pairs of folds that share images on purpose, "train-database" for a training set inside the database.
    """

    name: str
    rule: str
    seed: int = 0
    shared: tuple[str, ...] = ()


def per_class(
    classes: NDArray[np.integer], sizes: Mapping[str, int], *, names: Sequence[str], seed: int = 0
) -> dict[str, NDArray[np.int64]]:
    """Give each fold its number of images of every class, in shuffled order, and the rest to the database, unless that has a number too.

    The indices are shuffled once, by Python's own generator, whose stream is the same everywhere; then each class is
    walked in that order: the first images go to the first fold of ``sizes``, the next to the second, and so on.
    Within a fold the images are in their original order. All folds are disjoint.

    Args:
        classes: class of each image, (n,).
        sizes: images per class of each fold, in the order they are taken.
        names: class names, for the error message.
        seed: seed of the shuffle.

    Returns:
        Indices of each fold, ascending.

    Raises:
        DataError: if a class has too few images to leave at least one for the database.

    Example:
        >>> folds = per_class(np.array([0, 1, 0, 1, 0, 1]), {"train": 1, "query": 1}, names=["cat", "dog"])
        >>> {fold: rows.tolist() for fold, rows in folds.items()}
        {'train': [1, 4], 'query': [2, 5], 'database': [0, 3]}
    """
    for number, name in enumerate(names):
        if (count := int((classes == number).sum())) < sum(sizes.values()) + (REST not in sizes):
            raise _too_few(f"class {name!r} has {count} images", sizes, rest=int(REST not in sizes))
    return _walk(classes, len(names), lambda count: sizes, tuple(sizes), seed)


def per_class_share(
    classes: NDArray[np.integer], shares: Mapping[str, Fraction], *, names: Sequence[str], seed: int = 0
) -> dict[str, NDArray[np.int64]]:
    """Give each fold its share of the images of every class, see :func:`share_sizes`, and the rest to the database.

    The order is that of :func:`per_class`.

    Args:
        classes: class of each image, (n,).
        shares: fraction of each fold, in the order they are taken.
        names: class names.
        seed: seed of the shuffle.

    Returns:
        Indices of each fold, ascending.

    Example:
        >>> folds = per_class_share(np.array([0] * 4 + [1] * 2), {"train": Fraction("0.5")}, names=["cat", "dog"])
        >>> {fold: rows.tolist() for fold, rows in folds.items()}
        {'train': [1, 2, 4], 'database': [0, 3, 5]}
    """
    return _walk(classes, len(names), lambda count: share_sizes(count, shares), tuple(shares), seed)


def too_small(counts: Sequence[int], shares: Mapping[str, Fraction], names: Sequence[str]) -> tuple[str, ...]:
    """Return the remark on classes with images, but too few for every fold to get one; none where there are no such classes.

    Args:
        counts: images of each class.
        shares: fraction of each fold.
        names: class names.

    Example:
        >>> too_small([9, 3], {"train": Fraction("0.5"), "val": Fraction("0.1"), "query": Fraction("0.1")}, ["cat", "eel"])
        ("classes without an image in some fold: 1 ('eel' (3)); 4 images are enough, -least 4 leaves smaller ones out",)
    """
    enough = len(shares) + 1
    small = [f"{name!r} ({count})" for name, count in zip(names, counts, strict=True) if 0 < count < enough]
    words = f"classes without an image in some fold: {len(small)} ({few(small)})"
    return (f"{words}; {enough} images are enough, -least {enough} leaves smaller ones out",) if small else ()


def share_sizes(count: int, shares: Mapping[str, Fraction]) -> dict[str, int]:
    r"""Return how many of :math:`n` images each fold gets: :math:`\max(1, \lfloor n f \rfloor)`.

    Where that leaves none for the database, each fold gets one, as far as they suffice: the database first, then the folds in their
    order; what remains goes to the first of them.

    Example:
        >>> share_sizes(25, {"train": Fraction("0.5"), "query": Fraction("0.01")})
        {'train': 12, 'query': 1}
        >>> share_sizes(2, {"train": Fraction("0.5"), "query": Fraction("0.1")})
        {'train': 1, 'query': 0}
    """
    sizes = {fold: max(1, int(count * share)) for fold, share in shares.items()}
    if count > sum(sizes.values()):
        return sizes
    first, rest = next(iter(shares)), max(count - 1 - len(shares), 0)
    return {fold: int(number < count - 1) + (rest if fold == first else 0) for number, fold in enumerate(shares)}


def per_label(
    labels: NDArray[np.integer], sizes: Mapping[str, int], *, names: Sequence[str], seed: int = 0
) -> dict[str, NDArray[np.int64]]:
    """Give each fold its number of images for every class of a multi-label set, and the rest to the database.

    The indices are shuffled once; then the classes are walked from the rarest to the most frequent (before the others
    use up its images), and each takes, in shuffled order, its images for the first fold of ``sizes`` among those that
    no class has taken yet, then for the second, and so on. All folds are disjoint; within one the order is the original.

    Args:
        labels: (n, C), each 0 or 1.
        sizes: images per class of each fold, in the order they are taken.
        names: class names, for the error message.
        seed: seed of the shuffle.

    Returns:
        Indices of each fold, ascending.

    Raises:
        DataError: if a class has too few images left.

    Example:
        >>> folds = per_label(np.array([[1, 0], [1, 1], [1, 0], [1, 1], [1, 0]]), {"train": 1, "query": 1}, names=["sky", "sun"])
        >>> {fold: rows.tolist() for fold, rows in folds.items()}
        {'train': [1, 2], 'query': [0, 3], 'database': [4]}
    """
    shuffled = _shuffled(len(labels), seed)
    fold_of = np.full(len(labels), REST, dtype=object)
    for column in np.argsort(labels.sum(axis=0), kind="stable"):
        free = shuffled[(labels[shuffled, column] == 1) & (fold_of[shuffled] == REST)]
        if len(free) < sum(sizes.values()):
            raise _too_few(f"class {names[column]!r} has {len(free)} images that no rarer class took", sizes, rest=0)
        start = 0
        for fold, size in sizes.items():
            fold_of[free[start : start + size]] = fold
            start += size
    return {fold: np.flatnonzero(fold_of == fold) for fold in (*sizes, REST)}


def random_split(count: int, sizes: Mapping[str, int], *, seed: int = 0) -> dict[str, NDArray[np.int64]]:
    """Give each fold its number of images, whatever their classes, and the rest to the database.

    A list with one fold name per image (first all of the first fold, and so on) is shuffled and assigned in order.

    Args:
        count: number of images.
        sizes: images of each fold.
        seed: seed of the shuffle.

    Returns:
        Indices of each fold, ascending.

    Raises:
        DataError: if none is left for the database.

    Example:
        >>> {fold: rows.tolist() for fold, rows in random_split(6, {"train": 2, "query": 1}).items()}
        {'train': [2, 3], 'query': [1], 'database': [0, 4, 5]}
    """
    if count <= sum(sizes.values()):
        raise _too_few(f"there are {count:,} items", sizes)
    names = [fold for fold, size in sizes.items() for _ in range(size)]
    names += [REST] * (count - len(names))
    random.Random(seed).shuffle(names)
    dealt = np.array(names)
    return {fold: np.flatnonzero(dealt == fold) for fold in (*sizes, REST)}


def parse_sizes(text: str) -> dict[str, int]:
    """Return the sizes of train, val and query.

    Args:
        text: ``train=5000,val=1000,query=1000``, in any order.

    Raises:
        UsageError: for another form, or a size that is not above 0.

    Example:
        >>> parse_sizes("query=2, train=5,val=1")
        {'train': 5, 'val': 1, 'query': 2}
    """
    pairs = [part.strip().partition("=") for part in text.split(",")]
    values = {fold: value.strip() for fold, _, value in pairs}
    if len(pairs) != len(_SIZED) or set(values) != set(_SIZED) or not all(value.isdecimal() and int(value) for value in values.values()):
        raise UsageError(f"-sizes {text!r} is not of the form train=5000,val=1000,query=1000")
    return {fold: int(values[fold]) for fold in _SIZED}


def merge_folds(folds: Mapping[str, NDArray[np.int64]], pairs: Sequence[str]) -> dict[str, NDArray[np.int64]]:
    """Put the images of a fold into another one as well.

    Args:
        folds: indices of each fold.
        pairs: "train-database" puts the training images into the database.

    Returns:
        Indices of each fold; those that took images in are ascending.

    Example:
        >>> merge_folds({"train": np.array([2]), "database": np.array([0, 3])}, ["train-database"])["database"].tolist()
        [0, 2, 3]
    """
    shared = dict(folds)
    for pair in pairs:
        inner, _, outer = pair.partition("-")
        shared[outer] = np.union1d(shared[outer], folds[inner])
    return shared


def overlaps(folds: Mapping[str, NDArray[np.int64]]) -> dict[str, int]:
    """Return how many images every two folds share, for those that share any.

    Example:
        >>> overlaps({"train": np.array([0, 1]), "val": np.array([2]), "query": np.array([3]), "database": np.array([1, 4])})
        {'train-database': 1}
    """
    counts = {f"{one}-{other}": len(np.intersect1d(folds[one], folds[other])) for one, other in combinations(FOLDS, 2)}
    return {pair: count for pair, count in counts.items() if count}


def one_hot(classes: NDArray[np.integer], count: int) -> NDArray[np.uint8]:
    """Return the label vectors of single-class images.

    Args:
        classes: class of each image, (n,).
        count: number of classes C.

    Returns:
        (n, C) uint8.

    Example:
        >>> one_hot(np.array([1, 0]), 3).tolist()
        [[0, 1, 0], [1, 0, 0]]
    """
    return np.eye(count, dtype=np.uint8)[classes]


def _walk(
    classes: NDArray[np.integer], count: int, sizes_of: Callable[[int], Mapping[str, int]], folds: Sequence[str], seed: int
) -> dict[str, NDArray[np.int64]]:
    """Deal out every class in shuffled order: ``sizes_of`` says how many images of each fold a class of so many images gives."""
    shuffled = _shuffled(len(classes), seed)
    dealt = folds if REST in folds else (*folds, REST)
    chosen: dict[str, list[NDArray[np.int64]]] = {fold: [] for fold in dealt}
    for number in range(count):
        members = shuffled[classes[shuffled] == number]
        sizes = sizes_of(len(members))
        parts = np.split(members, np.cumsum([sizes[fold] for fold in folds]))
        for fold, part in zip(dealt, parts, strict=False):  # what is left where the database has a number is unused
            chosen[fold].append(part)
    return {fold: np.sort(np.concatenate(parts)) for fold, parts in chosen.items()}


def _shuffled(count: int, seed: int) -> NDArray[np.int64]:
    order = list(range(count))
    random.Random(seed).shuffle(order)
    return np.array(order, dtype=np.int64)


def _too_few(what: str, sizes: Mapping[str, int], rest: int = 1) -> DataError:
    parts = " + ".join(f"{size} {fold}" for fold, size in sizes.items())
    return DataError(f"{what}, too few for the split ({parts}{f' and at least 1 {REST}' if rest else ''}): more are needed")
