"""Search: an index over the codes of images, which answers exactly, and the page and the service that ask it.

The index knows codes, paths and files, and nothing of datasets, evaluation or networks: who turns an image into a code hands that in.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._engine import Answer, merge
    from ._index import Index, Item
    from ._store import Facts
    from ._writer import Writer

__all__ = ["Answer", "Facts", "Index", "Item", "Writer", "merge"]

# Imported when first used: the entrances of this directory answer -h without NumPy and Numba.
_HOME = {"Answer": "_engine", "Facts": "_store", "Index": "_index", "Item": "_index", "Writer": "_writer", "merge": "_engine"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)
