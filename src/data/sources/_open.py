"""What a text on the command line means as a source of images."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path

from ...errors import DataError
from ...settings import FOLDS
from ._files import directory_source, fold_source, list_source
from ._interface import Source
from ._parquet import parquet_source
from ._tars import tar_source

_FILES = (".parquet", ".tar")


def open_source(text: str, *, rows: int, classes: Sequence[str] = ()) -> Source:
    """Return the source of images that a text names.

    Args:
        text: ``DB:fold``; a directory; a text file with a path in each line; or a Parquet file or tar archive, or a pattern of several.
        rows: most images of a shard: folds, directories and lists are cut into as many; of files each is a shard.
        classes: the classes that labels of Parquet files and tar archives name, or number from 0; none to leave labels out.

    Raises:
        UnknownNameError: for an unknown dataset or fold.
        DataError: if there is nothing of that name, or it cannot be used.
        UsageError: for Parquet files without pyarrow.
    """
    path = Path(text).expanduser().absolute()  # who encodes a shard may have another working directory
    database, colon, fold = text.rpartition(":")
    if colon and not path.exists() and "/" not in text:
        return fold_source(database, fold, rows)
    if path.is_dir():
        return directory_source(path, rows)
    if path.suffix.lower() not in _FILES and path.is_file():
        return list_source(path, rows)
    files = [path] if path.is_file() else sorted(Path(name) for name in glob.glob(str(path), recursive=True))  # noqa: PTH207 - the pattern is absolute
    if not files:
        raise DataError(f"there is no file, directory or dataset {text}; images are DB:FOLD ({', '.join(FOLDS)}), a directory, a list, "
                        "or Parquet files or tar archives, several of them as a pattern in quotation marks")  # fmt: skip
    endings = sorted({file.suffix.lower() for file in files})
    if len(endings) > 1 or endings[0] not in _FILES:
        several = ", ".join(ending or "nothing" for ending in endings)
        raise DataError(f"{text} stands for files that end in {several}: several together are all .parquet, or all .tar")
    common = Path(os.path.commonpath([file.parent for file in files]))
    names = [file.relative_to(common).as_posix() for file in files]
    if endings[0] == ".tar":
        return tar_source(files, names, path.name, classes)
    return parquet_source(files, names, path.name, classes)
