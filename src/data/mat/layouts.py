"""What the variables of other code bases mean: images, texts and labels, whatever their names and the order of their axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ...mat_files import Variable
from ..texts.words import words_of
from .variables import variables_of

# By what they are; torchcmh, DCMH, the followers of DCMHT, and single arrays that circulate.
NAMES: Mapping[str, tuple[str, ...]] = {
    "images": ("FAll", "imgs", "index", "images", "XAll", "Img"),
    "texts": ("YAll", "tags", "caption", "Tag"),
    "labels": ("LAll", "labels", "category", "Lab"),
}
_CHANNELS = 3


@dataclass(frozen=True)
class Items:
    """The items of a layout, n of them.

    Args:
        labels: (n, C) uint8, each 0 or 1.
        texts: a line each: tags separated by blanks, or captions separated by tabs.
        captions: whether these are captions, not tags.
        paths: of images, as their authors wrote them; empty where there are none.
        pixels: returns an image, uint8 (H, W, 3); None where there are paths or features.
        features: (n, D), ready features of images; None where there are images.
        source: the files.
    """

    labels: NDArray[np.uint8]
    texts: Sequence[str]
    captions: bool
    paths: Sequence[str]
    pixels: Callable[[int], NDArray[np.uint8]] | None
    features: NDArray[Any] | None
    source: str

    def __len__(self) -> int:
        return len(self.labels)


def read_items(files: Sequence[Path], tags: Sequence[str] | None = None) -> Items:
    """Read images, texts and labels from files that hold them under names that are known, see :data:`NAMES`.

    Which axis is that of the items follows from the shapes: it is the one that all have in common.

    Args:
        files: one or more; of a directory all ``.mat``, ``.npy`` and ``.txt`` files.
        tags: names of the columns of tags; None for ``tag0001`` and so on.

    Raises:
        DataError: naming the file, if something is missing, is there twice, has other rows, or cannot be used.
    """
    sources = [source for file in files for source in _files_of(file)]
    roles = _roles([variable for source in sources for variable in variables_of(source)], sources)
    count = _common_axis(roles)
    labels = _table(roles["labels"], count)
    if not np.isin(labels, (0, 1)).all():
        raise DataError(f"{roles['labels']} holds labels other than 0 and 1")
    captions = roles["texts"].kind == "strings"
    lines = _lines(roles["texts"], count) if captions else _tags(roles["texts"], count, tags)
    if captions and tags is not None:
        raise DataError(f"names of tags belong to a table of 0 and 1, but {roles['texts']} holds strings")
    images = roles["images"]
    paths = ["/".join(filter(None, row)) for row in _strings(images, count)] if images.kind == "strings" else []
    pixels = _pixels(images, count) if images.kind == "numbers" and len(images.shape) == 4 else None
    features = _table(images, count) if not paths and pixels is None else None
    return Items(labels.astype(np.uint8), lines, captions, paths, pixels, features, ", ".join(map(str, sources)))


def _files_of(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in (".mat", ".npy", ".txt"))
    if not files:
        raise DataError(f"{path} holds no .mat, .npy or .txt file")
    return files


def _roles(variables: Sequence[Variable], files: Sequence[Path]) -> dict[str, Variable]:
    """Return images, texts and labels among variables."""
    roles = {}
    for role, names in NAMES.items():
        matching = [variable for variable in variables if variable.name in names]
        if len(matching) != 1:
            several = f"{role} are there several times: {', '.join(map(str, matching))}; name each file to read, without the others"
            what = several if matching else f"there are no {role}"
            known = ", ".join(variable.name for variable in variables) or "nothing"
            raise DataError(f"in {', '.join(map(str, files))} {what}; one of {', '.join(names)} is needed, and they hold {known}")
        roles[role] = matching[0]
    return roles


def _common_axis(roles: Mapping[str, Variable]) -> int:
    """Return the number of items: the longest axis that all have in common."""
    shared = set.intersection(*(set(variable.shape) for variable in roles.values())) - {1}
    if not shared:
        words = ", ".join(f"{role} {variable}" for role, variable in roles.items())
        raise DataError(f"rows belong to each other one by one, but no axis is as long in all: {words}")
    return max(shared)


def _table(variable: Variable, count: int) -> NDArray[Any]:
    """Return numbers as (n, columns)."""
    if variable.kind == "strings" or len(variable.shape) != 2:
        raise DataError(f"{variable} is no table of numbers with a row for each of {count:,} items")
    values = variable.load()
    return values if values.shape[0] == count else values.T


def _strings(variable: Variable, count: int) -> list[list[str]]:
    """Return the strings of each item: of a cell array of n, n x k or 1 x n, or of lines of a char array."""
    texts = variable.load()
    texts = texts.reshape(-1, 1) if texts.ndim == 1 else texts
    rows = texts if texts.shape[0] == count else texts.T
    return [[text.strip() for text in row] for row in rows.tolist()]


def _lines(variable: Variable, count: int) -> list[str]:
    return ["\t".join(filter(None, row)) for row in _strings(variable, count)]


def _tags(variable: Variable, count: int, names: Sequence[str] | None) -> list[str]:
    """Return the names of the tags of each item."""
    table = _table(variable, count)
    if not np.isin(table, (0, 1)).all():
        raise DataError(f"{variable} holds numbers other than 0 and 1, so these are no tags")
    width = table.shape[1]
    if names is None:
        names = [f"tag{column + 1:0{max(4, len(str(width)))}d}" for column in range(width)]
    if len(names) != width:
        raise DataError(f"{variable} has {width:,} tags, but there are {len(names):,} names of tags")
    if wrong := [name for name in names if words_of(name) != [name]]:
        raise DataError(f"the tag {wrong[0]!r} is not one word in lower case without blanks and outer punctuation")
    return [" ".join(names[column] for column in np.flatnonzero(row).tolist()) for row in table]


def _pixels(variable: Variable, count: int) -> Callable[[int], NDArray[np.uint8]]:
    """Return what gives an image of a four-dimensional array: one axis counts items, one the three channels, two the pixels."""
    shape = list(variable.shape)
    axis = shape.index(count)
    rest = shape[:axis] + shape[axis + 1 :]
    if _CHANNELS not in rest or variable.take(axis, 0).dtype != np.uint8:
        raise DataError(f"{variable} holds no images: bytes are needed, with an axis of {count:,} items and one of {_CHANNELS} channels")
    channel = rest.index(_CHANNELS)
    return lambda row: np.ascontiguousarray(np.moveaxis(variable.take(axis, row), channel, -1))
