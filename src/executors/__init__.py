"""Executors run the units of a large piece of work: one interface, implemented by processes of this machine and by a Ray cluster."""

from __future__ import annotations

from contextlib import AbstractContextManager

from ..registry import Registry, load
from ..settings import CommonSettings
from ..settings.units import Placement
from ._interface import Executor, Outcome
from .local import LocalPool

__all__ = ["EXECUTORS", "Executor", "LocalPool", "Outcome", "open_executor"]

EXECUTORS: Registry[str] = Registry("executor")  # name to ``module:function``: what opens it is imported where it is used
EXECUTORS.register("local")("biodeephashing.executors.local:open_local")
EXECUTORS.register("ray")("biodeephashing.executors.cluster:open_cluster")


def open_executor(placement: Placement, settings: CommonSettings | None = None) -> AbstractContextManager[Executor]:
    """Open the executor that a command names; what it started ends with the block.

    Args:
        placement: who does the units; of its parts the caller takes its own, see :meth:`~biodeephashing.settings.units.Part.take`.
        settings: those of any of the runs whose units are handed out; None for units that need no GPU.

    Raises:
        BioDeepHashingError: if the executor cannot be used; nothing has begun then.
    """
    opened: AbstractContextManager[Executor] = load(EXECUTORS[placement.on])(placement, settings)
    return opened
