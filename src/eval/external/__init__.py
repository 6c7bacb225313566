"""Codes and labels of other code bases."""

from .codes import ExternalCodes, Reading, read_external

__all__ = ["ExternalCodes", "Reading", "read_external"]
