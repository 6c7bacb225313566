"""Arrays in the files that other code bases write."""

from .array_files import LoadedArray, read_array
from .text_files import Margins

__all__ = ["LoadedArray", "Margins", "read_array"]
