"""From files to tensors: prepared data sets, their metadata and split, and the loader that feeds a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .images.feeding import EpochSampler, loader
    from .images.fold import ImageFold
    from .images.transforms import TRANSFORMS, Transformation, normalise, transformation
    from .metadata import Metadata, PreparedDataset, load_fold, read_label_names, read_metadata, write_label_names, write_metadata
    from .split import Split, known_databases, read_split, write_split

__all__ = [
    "TRANSFORMS",
    "EpochSampler",
    "ImageFold",
    "Metadata",
    "PreparedDataset",
    "Split",
    "Transformation",
    "known_databases",
    "load_fold",
    "loader",
    "normalise",
    "read_label_names",
    "read_metadata",
    "read_split",
    "transformation",
    "write_label_names",
    "write_metadata",
    "write_split",
]

# Imported when first used: a processor answers -h without NumPy, and facts about a data set need no PyTorch, which takes seconds.
_HOME = {
    "Metadata": "metadata",
    "PreparedDataset": "metadata",
    "load_fold": "metadata",
    "read_label_names": "metadata",
    "read_metadata": "metadata",
    "write_label_names": "metadata",
    "write_metadata": "metadata",
    "Split": "split",
    "known_databases": "split",
    "read_split": "split",
    "write_split": "split",
    "TRANSFORMS": "images.transforms",
    "Transformation": "images.transforms",
    "normalise": "images.transforms",
    "transformation": "images.transforms",
    "ImageFold": "images.fold",
    "EpochSampler": "images.feeding",
    "loader": "images.feeding",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOME[name]}", __name__), name)
