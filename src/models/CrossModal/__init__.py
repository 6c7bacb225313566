"""Cross-modal hashing: two towers, one for images and one for texts, learn codes that can be compared with each other."""

from .settings import Settings

__all__ = ["Settings"]
