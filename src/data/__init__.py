"""From files to tensors: prepared data sets, their metadata and split, and the loader that feeds a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .metadata import Metadata, Prepared, load_fold, read_label_names, read_metadata, write_label_names, write_metadata
from .split import Split, known_databases, read_split, write_split

if TYPE_CHECKING:
    from .feeding import EpochSampler, loader
    from .images import ImageFold
    from .transforms import TRANSFORMS, normalise

__all__ = [
    "TRANSFORMS",
    "EpochSampler",
    "ImageFold",
    "Metadata",
    "Prepared",
    "Split",
    "known_databases",
    "load_fold",
    "loader",
    "normalise",
    "read_label_names",
    "read_metadata",
    "read_split",
    "write_label_names",
    "write_metadata",
    "write_split",
]

# These need PyTorch, which takes seconds to import; preparing a data set or reading facts about one does not need it.
_NEEDS_TORCH = {
    "TRANSFORMS": "transforms",
    "normalise": "transforms",
    "ImageFold": "images",
    "EpochSampler": "feeding",
    "loader": "feeding",
}


def __getattr__(name: str) -> Any:
    if name not in _NEEDS_TORCH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_NEEDS_TORCH[name]}", __name__), name)
