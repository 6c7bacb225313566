"""Codes and labels of other code bases."""

from .codes import Foreign, Reading, read_foreign

__all__ = ["Foreign", "Reading", "read_foreign"]
