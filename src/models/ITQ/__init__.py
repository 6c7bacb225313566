"""ITQ: finished codes rotated by alternation between codes and rotation."""

from .settings import Settings

__all__ = ["Settings"]
