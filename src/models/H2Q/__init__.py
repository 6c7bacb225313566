"""H2Q: finished codes rotated by a product of Householder reflections."""

from .settings import Settings

__all__ = ["Settings"]
