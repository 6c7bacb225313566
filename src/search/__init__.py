"""Search: an index over the codes of images, which answers exactly, and the page and the service that ask it.

The index knows codes, paths and files, and nothing of datasets, evaluation or networks: who turns an image into a code hands that in.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._engine import Answer, merge
    from ._index import Index, Item
    from ._parts import Ask, IndexParts, PartQuery, ask_part
    from ._store import Facts, Store
    from ._writer import Writer

__all__ = ["Answer", "Ask", "Facts", "Index", "IndexParts", "Item", "PartQuery", "Store", "Writer", "ask_part", "merge"]

# Imported when first used: the entrances of this directory answer -h without NumPy and Numba.
_HOME = {
    "Answer": "_engine",
    "Ask": "_parts",
    "Facts": "_store",
    "Index": "_index",
    "IndexParts": "_parts",
    "Item": "_index",
    "PartQuery": "_parts",
    "Store": "_store",
    "Writer": "_writer",
    "ask_part": "_parts",
    "merge": "_engine",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)
