"""What ``-db FOLDER:PATH`` names: somebody's own images, and what their dataset is called."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ..errors import UsageError

OWN_IMAGES = "FOLDER"


def own_place(text: str) -> Path | None:
    """Return the place of somebody's own images that ``-db FOLDER:PATH`` names, absolute; None for the name of a dataset.

    Raises:
        UsageError: when there is nothing behind the colon.

    Example:
        >>> own_place("FOLDER:/home/me/pets").name, own_place("CIFAR_10")
        ('pets', None)
    """
    kind, colon, path = text.partition(":")
    if not colon or kind != OWN_IMAGES:
        return None
    if not path.strip():
        raise UsageError(f"-db {text} names no folder: write {OWN_IMAGES}:PATH")
    return absolute(Path(path.strip()))


def absolute(path: Path) -> Path:
    """Return a path from the root of the file system; links in it stay links, and so does a ``~`` that is no user's home."""
    return Path(os.path.abspath(os.path.expanduser(path)))  # noqa: PTH100, PTH111 (resolve() follows links, Path.expanduser() raises)


def name_of_own(place: Path) -> str:
    """Return what the dataset of somebody's own images is called.

    Example:
        >>> name_of_own(Path("/home/me/my pets")), name_of_own(Path("/home/me/pets.csv"))
        ('FOLDER_my_pets', 'FOLDER_pets')
    """
    base = place.stem if place.suffix.lower() == ".csv" else place.name
    return f"{OWN_IMAGES}_" + re.sub(r"[^\w.+-]+", "_", base)


def database_name(text: str) -> str:
    """Return the dataset that ``-db`` means: what it says, or for ``FOLDER:PATH`` the name of that set.

    Example:
        >>> database_name("FOLDER:../pets"), database_name("CIFAR_10")
        ('FOLDER_pets', 'CIFAR_10')
    """
    place = own_place(text)
    return text if place is None else name_of_own(place)
