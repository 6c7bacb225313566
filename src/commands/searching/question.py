"""What is searched for, and how."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...errors import BioDeepHashingError, DataError
from ...search import Index, IndexParts


@dataclass(frozen=True)
class Query:
    """What is searched for.

    Args:
        source: in words: a file, a fold and a row, or a text.
        code: packed, (bytes,).
        features: of the network, float32 (bits,); None where only the code is known.
        labels: 0 or 1, (C,); None where they are not known.
        path: of the item, as an index has it; empty where there is none.
        image: decodes it; None where the query is no image.
        text: it in words; empty where the query is no text.
        note: what was done to it before the network.
    """

    source: str
    code: NDArray[np.uint8]
    features: NDArray[np.float32] | None = None
    labels: NDArray[np.uint8] | None = None
    path: str = ""
    image: Callable[[], Image.Image] | None = None
    text: str = ""
    note: str = ""


@dataclass(frozen=True)
class Question:
    """How to search.

    Args:
        k: how many neighbours.
        radius: all within this distance, in place of k; None for k.
        most: how many within the radius at most.
        classes: only neighbours of one of these; None for all.
        not_itself: leave out the query's own item.
        ties: "id" or "features".
        view: what is searched for, "image" or "text".
    """

    k: int = 10
    radius: int | None = None
    most: int = 1000
    classes: Sequence[str] | None = None
    not_itself: bool = False
    ties: str = "id"
    view: str = "image"


def codes_of_file(file: Path, index: Index | IndexParts) -> list[Query]:
    """Return the queries that a file of codes holds.

    Raises:
        UsageError: if they are of another length.
        DataError: if the file cannot be read.
    """
    try:
        values = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{file} is no array of codes (.npy): {error}") from error
    try:
        codes = index.packed(values)
    except BioDeepHashingError as error:
        raise type(error)(f"{file}: {error}") from error
    return [Query(f"{file.name}[{row}]", code) for row, code in enumerate(codes)]
