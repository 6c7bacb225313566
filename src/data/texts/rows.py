"""``<fold>_texts.txt``: the text of each item of a fold, in the order of its metadata."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ...runs import processed_folder, replacing
from ..metadata import PreparedDataset
from ..split import how_to_fix, texts_file
from .words import captions_of


@dataclass(frozen=True)
class TextRows:
    """The texts of one fold.

    Args:
        file: the file they come from.
        texts: n lines: words separated by blanks, or captions separated by tabs; a blank line for an item without text.
    """

    file: Path
    texts: list[str]

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def present(self) -> NDArray[np.bool_]:
        """Whether each item has a text, (n,)."""
        return np.array([bool(text.strip()) for text in self.texts], dtype=bool)

    def where(self, row: int) -> str:
        """Return in words where a row is written."""
        return f"line {row + 1} of {self.file}"


def load_texts(database: str | PreparedDataset, fold: str) -> TextRows:
    """Read the texts of a fold of a prepared dataset.

    Args:
        database: the dataset, or its name.
        fold: "train", "val", "query" or "database".

    Raises:
        UnknownNameError: for an unknown dataset or fold.
        DataError: if the dataset was not prepared, was changed afterwards or has no texts, if there are more or fewer lines than the
            metadata has, or an item has neither image nor text.
    """
    prepared = database if isinstance(database, PreparedDataset) else PreparedDataset(database)
    prepared.split.check_texts()
    metadata = prepared.fold(fold)
    rows = read_texts(texts_file(processed_folder(prepared.database), fold))
    fix = how_to_fix(prepared.database)
    if len(rows) != len(metadata):
        shorter = rows if len(rows) < len(metadata) else metadata
        raise DataError(
            f"{rows.file} has {len(rows):,} lines, but {metadata.file} has {len(metadata):,}, and line by line they belong to each other "
            f"({shorter.where(len(shorter))} is missing): {fix}"
        )
    if len(bare := np.flatnonzero(~rows.present & ~metadata.present)):
        raise DataError(f"{rows.where(int(bare[0]))} is blank, and that item has no image either: {fix}")
    return rows


def read_texts(file: Path) -> TextRows:
    """Read texts, a line each.

    Raises:
        DataError: naming the file, if it is missing or is not UTF-8.
    """
    fix = how_to_fix(file.parent.name)
    try:
        content = file.read_bytes().decode("utf-8")
    except FileNotFoundError as error:
        raise DataError(f"{file} is missing: {fix}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DataError(f"line {line} of {file} is not UTF-8 text: {fix}") from error
    # Only a line feed ends a text: splitlines() would cut at characters that a caption may hold.
    lines = content.removesuffix("\n").split("\n") if content else []
    return TextRows(file, [line.removesuffix("\r") for line in lines])


def write_texts(file: Path, texts: Sequence[str]) -> None:
    """Write texts, a line each, whole or not at all; runs of blanks become one, and empty captions are left out.

    Args:
        file: the file to write or replace.
        texts: n texts; tabs separate captions.
    """
    with replacing(file) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as stream:
        stream.writelines("\t".join(" ".join(caption.split()) for caption in captions_of(text)) + "\n" for text in texts)
