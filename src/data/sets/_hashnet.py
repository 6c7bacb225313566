"""The folder of HashNet's lists that some splits are read from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ...errors import DataError
from ..prepare.image_lists import FILES


def list_files(folder: Path) -> Mapping[str, Path]:
    """Return the files of HashNet's three lists in a folder.

    Raises:
        DataError: when one is missing.
    """
    files = {fold: folder / FILES[fold] for fold in ("train", "query", "database")}
    missing = [file.name for file in files.values() if not file.is_file()]
    if missing:
        raise DataError(
            f"{folder} does not hold {', '.join(missing)}: this protocol reads the lists of the HashNet release "
            f"(https://github.com/thuml/HashNet); -lists FOLDER says where they are"
        )
    return files
