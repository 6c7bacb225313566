"""Hashing by a pair loss and its penalties: the pipeline train, predict, evaluate."""

from .settings import Settings

__all__ = ["Settings"]
