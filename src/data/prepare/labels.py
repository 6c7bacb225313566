"""What the labels of a dataset are understood to be, in one line, and where that may be a misreading."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

_SHOWN = 3  # names in front of "and 7 more"
_LONGEST = 40  # characters of a class name that is one of several
_PAIRS = (("query", "train"), ("query", "database"), ("train", "database"))

Labels = NDArray[np.uint8]


def describe(labels: Labels, classes: Sequence[str], form: str = "", item: str = "image") -> str:
    """Return what labels are understood to be, in one line.

    Args:
        labels: (n, C), each 0 or 1.
        classes: C class names.
        form: how the source writes them ("0/1 vectors"); empty where that is not known.
        item: what has them, "image" or "item".

    Example:
        >>> labels = np.array([[1, 1], [0, 1], [1, 1]])
        >>> describe(labels, ["cat", "dog"], "0/1 vectors").split(", 1 to ")
        ['3 images, 2 classes (cat, dog)', '2 classes per image, 2 images with several (most often cat + dog: 2), labels as 0/1 vectors']
    """
    per_item = labels.sum(axis=1)
    least, most = int(per_item.min()), int(per_item.max())
    facts = [counted(len(labels), item), f"{counted(len(classes), 'class')} ({_ends(classes)})"]
    facts.append(f"{least} to {counted(most, 'class')} per {item}" if least < most else f"{counted(most, 'class')} per {item}")
    if most > 1:
        facts.append(f"{counted(int((per_item > 1).sum()), item)} with several ({_most_often(labels[per_item > 1], classes)})")
    if form:
        facts.append(f"labels as {form}")
    return ", ".join(facts)


def doubts(folds: Mapping[str, Labels], classes: Sequence[str], item: str = "image") -> Iterator[str]:
    """Say where the labels of a dataset may not be what their author means.

    Args:
        folds: labels of each fold, (n, C), each 0 or 1.
        classes: C class names.
        item: as in :func:`describe`.

    Example:
        >>> labels = np.eye(2, dtype=np.uint8)
        >>> for doubt in doubts({"train": labels, "query": labels[:1], "database": labels[:1]}, ["cat", "Cat"]):
        ...     print(doubt)
        different classes with nearly the same name: 'cat' and 'Cat'
        classes of train without an image in database: 1 (Cat)
    """
    yield from alike(classes)
    for fold, needed in _PAIRS:
        yield from lacking(folds, classes, fold, needed, item)


def alike(classes: Sequence[str]) -> Iterator[str]:
    """Say which class names differ only in case, blanks, leading zeros or the way in which Unicode writes a letter."""
    same: dict[str, list[str]] = {}
    for name in classes:
        plain = re.sub(r"(?<=\w)[\s_-]+", " ", unicodedata.normalize("NFKC", name).casefold()).strip()
        same.setdefault(plain.lstrip("0") or plain, []).append(repr(name))
    groups = [" and ".join(names) for names in same.values() if len(names) > 1]
    if groups:
        yield f"different classes with nearly the same name: {few(groups)}"


def lacking(folds: Mapping[str, Labels], classes: Sequence[str], fold: str, needed: str, item: str = "image") -> Iterator[str]:
    """Say which classes of a fold another fold has no image, or item, of."""
    columns = np.flatnonzero(folds[fold].any(axis=0) & ~folds[needed].any(axis=0)).tolist()
    if columns:
        words = "the queries" if fold == "query" else fold
        yield f"classes of {words} without an {item} in {needed}: {len(columns)} ({few([classes[column] for column in columns])})"


def unused_classes(labels: Labels, classes: Sequence[str]) -> list[str]:
    """Return the classes that no item has.

    Args:
        labels: (n, C), each 0 or 1.
        classes: C class names.

    Example:
        >>> unused_classes(np.array([[1, 0], [1, 0]]), ["cat", "eel"])
        ['eel']
    """
    return [classes[column] for column in np.flatnonzero(~labels.any(axis=0)).tolist()]


def without_images(classes: Sequence[str], item: str = "image") -> tuple[str, ...]:
    """Return the remark on classes that no image, or item, has; none for no classes.

    Example:
        >>> without_images(["eel"])
        ('classes without any image: 1 (eel)',)
    """
    return (f"classes without any {item}: {len(classes)} ({few(classes)})",) if classes else ()


def few(names: Sequence[str]) -> str:
    """Return the first of some names, and how many more there are.

    Example:
        >>> few(["a", "b"]), few(["a", "b", "c", "d", "e"])
        ('a, b', 'a, b, c and 2 more')
    """
    shown = ", ".join(_short(name) for name in names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN:,} more"


def counted(count: int, what: str) -> str:
    """Return how many of something there are.

    Example:
        >>> counted(1, "class"), counted(1200, "class")
        ('1 class', '1,200 classes')
    """
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}{'es' if what.endswith('s') else 's'}"


def _ends(names: Sequence[str]) -> str:
    """Return the first few names and the last one."""
    short = [_short(name) for name in names]
    return ", ".join(short) if len(short) <= _SHOWN + 1 else f"{', '.join(short[:_SHOWN])}, … {short[-1]}"


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def _most_often(labels: Labels, classes: Sequence[str]) -> str:
    """Return the classes that most often stand together."""
    packed = np.ascontiguousarray(np.packbits(labels.astype(bool), axis=1))
    _, first, counts = np.unique(packed.view(f"V{packed.shape[1]}").ravel(), return_index=True, return_counts=True)
    most = int(counts.argmax())
    together = [classes[column] for column in np.flatnonzero(labels[first[most]]).tolist()]
    return f"most often {' + '.join(map(_short, together))}: {counts[most]:,}"
