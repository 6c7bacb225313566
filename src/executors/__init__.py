"""Executors run the units of a large piece of work: one interface, implemented by processes of this machine."""

from ..registry import Registry
from ._interface import Executor, Outcome
from .local import LocalPool

__all__ = ["EXECUTORS", "Executor", "LocalPool", "Outcome"]

EXECUTORS: Registry[str] = Registry("executor")  # name to ``module:attribute``, so that nothing is imported for what is not used
EXECUTORS.register("local")("biodeephashing.executors.local:LocalPool")
EXECUTORS.register("ray")("biodeephashing.executors._ray:RayCluster")
