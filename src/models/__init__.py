"""Methods: each trains a network with a rule and a loss. One directory each; ``runs/methods.py`` lists them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from ..interrupts import defer_interrupts
from ..registry import load
from ..runs import METHODS, Run, check_method
from ..settings import CommonSettings

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from ..data import Metadata
    from ..runs.predictions_json import Fingerprint
    from ..training.reporting import Reporting
    from .encoder import Encoded

Table = TypeVar("Table", bound=CommonSettings, contravariant=True)

__all__ = ["METHODS", "Classifier", "Classifies", "Method", "WritesMore", "check_method", "classifier_of", "load_method", "method_of"]


class Method(Protocol[Table]):
    """What a method offers beside the table of its settings: evaluation, comparison and tracking see only its runs.

    :func:`~biodeephashing.runs.register_method` says where both are. A method whose codes are the signs of a network's outputs derives
    from :class:`~biodeephashing.models.network_method.NetworkMethod` and writes ``train`` alone.
    """

    def train(self, run: Run, settings: Table, reporting: Reporting) -> None:
        """Train a run to its end within :func:`~biodeephashing.training.status.recorded_training`, or go on with an interrupted one.

        Args:
            run: its directory holds all results.
            settings: the run's settings.
            reporting: how the training reports its progress.

        Raises:
            BioDeepHashingError: if training fails; the run is then marked as interrupted, or untouched.
        """

    def fingerprint(self, run: Run, settings: Table) -> Fingerprint:
        """Return what the codes of a run depend on: name and checksum of its checkpoint, or the checksum of whatever else decides them.

        Args:
            run: a finished run.
            settings: its settings.

        Raises:
            BioDeepHashingError: if the run cannot be encoded any more: its checkpoint is missing, or its preprocessing has changed.
        """

    def encode(self, run: Run, settings: Table, folds: Sequence[Metadata], *, quiet: bool) -> Iterator[Mapping[str, Encoded]]:
        """Yield features and codes of each of some folds, by view; this loads neither Lightning nor MLflow.

        A method with one view calls it ""; several have names with different first letters ("image", "text"), the same in every fold.

        Args:
            run: a finished run.
            settings: its settings, with the batch size and the device to use.
            folds: the folds.
            quiet: whether to show no progress.

        Raises:
            BioDeepHashingError: if the run or the images cannot be used.
        """


@dataclass(frozen=True)
class Classifier:
    """What tells classes by features.

    Args:
        name: what it is, in words.
        probabilities: maps features of the run's network, float32 (n, bits), to the probability of each class, float32 (n, C).
        module: the same as a PyTorch module, for an export.
    """

    name: str
    probabilities: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    module: nn.Module


@runtime_checkable
class Classifies(Protocol):
    """A method some of whose runs learn to tell classes beside the network: their settings say so by ``classifies``."""

    def classifier(self, run: Run, settings: Any) -> Classifier:
        """Return what the run learned to tell classes by.

        Args:
            run: a finished run.
            settings: its settings.
        """


@runtime_checkable
class WritesMore(Protocol):
    """A method whose prediction may leave further files, made of the codes."""

    def further_files(self, run: Run, settings: Any) -> Iterator[Path]:
        """Write the files that settings ask for, and yield each.

        Args:
            run: a run whose requested folds are predicted.
            settings: its settings.
        """


def load_method(name: str) -> Method[Any]:
    """Import a method; Ctrl-C waits meanwhile.

    Raises:
        UnknownNameError: if there is none of that name.

    Example:
        >>> type(load_method("PenaltyStrategies")).__name__
        'PenaltyStrategies'
    """
    check_method(name)
    with defer_interrupts():
        method: Method[Any] = load(METHODS[name].method)
        return method


def method_of(run: Run) -> Method[Any]:
    """Return the method of a run."""
    return load_method(run.method)


def classifier_of(run: Run) -> Classifier | None:
    """Return what a finished run learned to tell classes by, beside its network; None where it learned nothing of that kind."""
    settings = run.settings()
    if not settings.classifies:
        return None  # most runs: PyTorch is not even imported
    method = method_of(run)
    assert isinstance(method, Classifies)
    return method.classifier(run, settings)
