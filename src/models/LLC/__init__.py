"""LLC: a code is learnt for each class, then codes of images that are drawn to that of their class."""

from .settings import Settings

__all__ = ["Settings"]
