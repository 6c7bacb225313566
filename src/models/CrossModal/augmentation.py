"""Random changes of training images and texts as text, ``rotate=0.5,hflip=0.5``; this loads no NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...errors import UsageError, unknown_name
from ...settings.constants import parse_constants

IMAGE = ("rotate", "hflip", "vflip", "keep")
TEXT = ("erase", "keep")


def image_changes(text: str) -> dict[str, Any]:
    """Return what :class:`~biodeephashing.data.images.turning.Turning` takes; nothing for an empty text.

    Args:
        text: probabilities of a rotation, of mirroring left and right, top and bottom, and of keeping an image, and ``angles=90/180``.

    Raises:
        UsageError: for another name, no probability, an angle other than 90, 180 and 270, or changes that never happen.

    Example:
        >>> image_changes("rotate=0.5, angles=90/270, keep=0.1")
        {'rotate': 0.5, 'angles': (90, 270), 'keep': 0.1}
    """
    changes = _probabilities("-img_aug", text, IMAGE, "angles")
    if "angles" in changes:
        parts = str(changes["angles"]).split("/")
        if not changes.get("rotate") or not set(parts) <= {"90", "180", "270"}:
            raise UsageError(f"-img_aug {text}: angles are those of a rotation, 90, 180 or 270 with / between: rotate=0.5,angles=90/270")
        changes["angles"] = tuple(map(int, parts))
    return changes


def text_changes(text: str) -> dict[str, Any]:
    """Return what :class:`~biodeephashing.data.texts.erasure.Erasure` takes; nothing for an empty text.

    Args:
        text: the share that is erased, the probability of keeping a text, and ``value=0`` or ``value=1``.

    Raises:
        UsageError: for another name, no probability, another value, or changes that never happen.
    """
    changes = _probabilities("-text_aug", text, TEXT, "value")
    if changes.get("value", 0) not in (0, 1):
        raise UsageError(f"-text_aug {text}: value is what a bag of words is set to, 0 or 1")
    return changes


def _probabilities(flag: str, text: str, names: Sequence[str], besides: str) -> dict[str, Any]:
    """Return the changes of a text, after a check of their names and of the probabilities among them."""
    changes: dict[str, Any] = parse_constants(text, flag)
    for name, value in changes.items():
        if name not in (*names, besides):
            raise unknown_name(f"part of {flag}", name, (*names, besides))
        if name in names and (isinstance(value, (bool, str)) or not 0 <= value <= 1):
            raise UsageError(f"{flag} {text}: {name} is a probability, from 0 to 1")
    if changes and not any(changes.get(name) for name in names if name != "keep"):
        raise UsageError(f"{flag} {text} changes nothing: leave it out")
    return changes
