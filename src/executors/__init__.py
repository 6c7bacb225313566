"""Who does the units of a large piece of work: one small interface, and the processes of this machine as its implementation."""

from ._interface import Executor, Outcome
from .local import LocalPool

__all__ = ["Executor", "LocalPool", "Outcome"]
