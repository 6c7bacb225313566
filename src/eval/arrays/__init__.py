"""Arrays in the files that other code bases write."""

from .array_files import Stored, read_array
from .text_files import Margins

__all__ = ["Margins", "Stored", "read_array"]
