"""Methods: how a network, a rule and a loss are trained together. One folder each; ``runs/methods.py`` lists them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from ..hparams import Settings
from ..interrupts import held_back
from ..runs import METHODS, Run, check_method

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..data import Metadata
    from ..training.manner import Manner
    from .encoder import Encoded

__all__ = ["METHODS", "Classifier", "Method", "check_method", "load_method", "method_of"]


@dataclass(frozen=True)
class Classifier:
    """What tells classes by features.

    Args:
        name: what it is, in words.
        probabilities: maps features of the run's network, float32 (n, bits), to the probability of each class, float32 (n, C).
    """

    name: str
    probabilities: Callable[[NDArray[np.float32]], NDArray[np.float32]]


class Method(Protocol):
    """What ``method.py`` of a method's package offers as ``METHOD``: evaluation, comparison and tracking see only its runs."""

    @property
    def settings(self) -> type[Settings]:
        """The table of its settings."""

    def train(self, run: Run, settings: Settings, manner: Manner) -> None:
        """Train a run to its end, going on from where an interrupted training stopped, and mark its status.

        Args:
            run: where everything goes.
            settings: the run's settings.
            manner: how the training shows itself.

        Raises:
            BioDeepHashingError: when something is wrong; the run is then marked as interrupted, or untouched.
        """

    def encode(self, run: Run, settings: Settings, folds: Sequence[Metadata], *, quiet: bool) -> Iterator[Encoded]:
        """Yield features and codes of each of some folds; this loads neither Lightning nor MLflow.

        Args:
            run: a finished run.
            settings: its settings, with the batch size and the device to use.
            folds: the folds.
            quiet: whether to show no progress.

        Raises:
            BioDeepHashingError: when the run or the images cannot be used.
        """

    def classifier(self, run: Run, settings: Settings) -> Classifier | None:
        """Return what the method learned beside the network to tell classes by features; None where it learned nothing of that kind.

        Args:
            run: a finished run.
            settings: its settings.
        """


def load_method(name: str) -> Method:
    """Import a method; Ctrl-C waits meanwhile.

    Raises:
        UnknownNameError: when there is none of that name.

    Example:
        >>> load_method("PenaltyStrategies").settings.__name__
        'Settings'
    """
    check_method(name)
    with held_back():
        return cast(Method, import_module(f"{METHODS[name]}.method").METHOD)


def method_of(run: Run) -> Method:
    """Return the method of a run."""
    return load_method(run.method)
