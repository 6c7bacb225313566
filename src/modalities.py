"""The two modalities of an item."""

from __future__ import annotations

from typing import Literal, TypeAlias

Modality: TypeAlias = Literal["image", "text"]
MODALITIES: tuple[Modality, Modality] = ("image", "text")


def other_modality(modality: Modality) -> Modality:
    """Return the modality that a loss compares the given one with.

    Example:
        >>> other_modality("image")
        'text'
    """
    return "text" if modality == "image" else "image"
