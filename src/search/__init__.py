"""Search: an index over the codes of images, which answers exactly, and the page and the service that ask it.

The index knows codes, paths and files, and nothing of datasets, evaluation or networks: who turns an image into a code hands that in.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .indexing.engine import Answer, merge
    from .indexing.index import Index
    from .indexing.parts import Ask, IndexParts, PartQuery, ask_part
    from .indexing.searchable import Item
    from .indexing.store import Facts, Store
    from .indexing.writer import Writer

__all__ = ["Answer", "Ask", "Facts", "Index", "IndexParts", "Item", "PartQuery", "Store", "Writer", "ask_part", "merge"]

# Imported when first used: the entrances of this directory answer -h without NumPy and Numba.
_HOME = {
    "Answer": "engine",
    "Ask": "parts",
    "Facts": "store",
    "Index": "index",
    "IndexParts": "parts",
    "Item": "searchable",
    "PartQuery": "parts",
    "Store": "store",
    "Writer": "writer",
    "ask_part": "parts",
    "merge": "engine",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".indexing.{_HOME[name]}", __name__), name)
