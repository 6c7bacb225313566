"""Executors run the units of a large piece of work: one interface, implemented by processes of this machine."""

from ._interface import Executor, Outcome
from .local import LocalPool

__all__ = ["Executor", "LocalPool", "Outcome"]
