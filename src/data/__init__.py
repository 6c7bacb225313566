"""From files to tensors: prepared datasets, their metadata and split, and the loader that feeds a network.

- ``sets``: public datasets; ``own``: somebody's own images.
- ``sources``: images that are encoded in shards, of these or from anywhere.
- ``fetch``: downloads and archives; ``prepare``: label tables, splits and what is written.
- ``metadata``, ``split``: a prepared dataset; ``images``: its images, decoded, cached, augmented and loaded; ``texts``: their texts;
  ``features``: ready features in place of either; ``samples``: items with partners, drawn by ``partners``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .features.fold import FeatureFold, FeatureTransformation
    from .features.rows import has_features, load_features
    from .images.feeding import EpochSampler, loader
    from .images.fold import ImageFold
    from .images.transforms import TRANSFORMS, Transformation, normalise, transformation
    from .metadata import Metadata, PreparedDataset, load_fold, read_label_names, read_metadata, write_label_names, write_metadata
    from .partners import Partners
    from .samples import Samples, load_samples
    from .split import Split, known_databases, read_split, write_split
    from .texts.fold import TextFold
    from .texts.rows import TextRows, load_texts
    from .texts.transformation import TextTransformation
    from .texts.vocabulary import Vocabulary
    from .texts.words import words_of

__all__ = [
    "TRANSFORMS",
    "EpochSampler",
    "FeatureFold",
    "FeatureTransformation",
    "ImageFold",
    "Metadata",
    "Partners",
    "PreparedDataset",
    "Samples",
    "Split",
    "TextFold",
    "TextRows",
    "TextTransformation",
    "Transformation",
    "Vocabulary",
    "has_features",
    "known_databases",
    "load_features",
    "load_fold",
    "load_samples",
    "load_texts",
    "loader",
    "normalise",
    "read_label_names",
    "read_metadata",
    "read_split",
    "transformation",
    "words_of",
    "write_label_names",
    "write_metadata",
    "write_split",
]

# Imported when first used: a script answers -h without NumPy, and facts about a dataset need no PyTorch, which takes seconds.
_LIGHT_TO_HEAVY = (
    ".split", ".texts.words", ".metadata", ".texts.rows", ".texts.vocabulary", ".texts.transformation", ".texts.fold",
    ".features.rows", ".features.fold", ".partners", ".images.transforms", ".images.fold", ".images.feeding", ".samples",
)  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in __all__:
        for module in _LIGHT_TO_HEAVY:
            if hasattr(home := import_module(module, __name__), name):
                return getattr(home, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
