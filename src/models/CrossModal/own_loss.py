"""A loss of one's own: read from its file, and checked before anything is trained with it."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...errors import BioDeepHashingError, RunError, UsageError, unknown_name
from ...losses.crossmodal import CROSSMODAL_LOSSES, AlternatingLoss, CrossModalLoss, JointLoss
from ...modalities import MODALITIES
from .settings import Settings

_ITEMS = 6  # of the batch that a loss is tried with
_LEVELS = 3  # of its codes, where it takes several


def loss_class(settings: Settings) -> type[CrossModalLoss]:
    """Return the class of a run's loss, of the registry or of a file; the file is run.

    Raises:
        RunError: if the file is missing, or is not the one that the run was begun with.
        UsageError: if it cannot be run, or the class is not in it or no loss.
    """
    if not settings.loss_file:
        return CROSSMODAL_LOSSES[settings.loss]
    name, _, digits = settings.loss.partition("~")
    return _class_in(Path(settings.loss_file), name, digits)


@lru_cache
def _class_in(file: Path, name: str, digits: str) -> type[CrossModalLoss]:
    """Return a class of a file whose SHA-256 begins with some digits."""
    try:
        source = file.read_bytes()
    except OSError as error:
        raise RunError(f"the file of the loss {name} cannot be read: {file} ({error.strerror}); put it back") from error
    if not hashlib.sha256(source).hexdigest().startswith(digits):
        raise RunError(f"{file} was changed since the run began: put it back, or begin another run by -loss {file}:{name}")
    entries = vars(_module(file, source))
    losses = {key: value for key, value in entries.items() if isinstance(value, type) and issubclass(value, CrossModalLoss)}
    if name not in entries:
        raise unknown_name(f"class in {file}", name, [key for key, value in losses.items() if value.__module__ == file.stem])
    if name not in losses or not issubclass(losses[name], (JointLoss, AlternatingLoss)):
        raise UsageError(f"{name} in {file} is no class that derives from JointLoss or AlternatingLoss")
    return losses[name]


def _module(file: Path, source: bytes) -> Any:
    """Run a file as the module of its name, which the processes of several devices find again."""
    if not file.stem.isidentifier():
        raise UsageError(f"{file} cannot be a module of Python: rename it, with letters, digits and _ alone")
    known = importlib.util.find_spec(file.stem)
    if known is not None and Path(known.origin or "").resolve() != file.resolve():
        raise UsageError(f"{file} has the name of another module, {known.origin}: rename it")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    if str(file.parent) not in sys.path:
        sys.path.append(str(file.parent))
    sys.modules[file.stem] = module
    try:
        exec(compile(source, str(file), "exec"), vars(module))  # not by its loader, which may take an older compiled file
    except Exception as error:
        del sys.modules[file.stem]
        raise UsageError(f"{file} cannot be run: {type(error).__name__}: {error}") from error
    return module


def check_loss(kind: type[CrossModalLoss], shared: Mapping[str, Any], constants: Mapping[str, Any]) -> None:
    """Try a loss with a few items at random, and refuse one that no tower can learn from.

    Args:
        kind: its class.
        shared: what a run tells its loss, see :class:`~biodeephashing.losses.crossmodal.CrossModalLoss`.
        constants: constants of the loss.

    Raises:
        UsageError: if it raises something, or gives no scalar, a number that is not finite, or no gradient.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        shape = (_ITEMS, *([_LEVELS] if kind.levels else []), shared["bits"])
        outputs: dict[str, Tensor] = {modality: torch.randn(shape, requires_grad=True) for modality in MODALITIES}
        labels = torch.eye(shared["classes"])[torch.arange(_ITEMS) % shared["classes"]]
        try:
            loss = kind(**{**shared, "train_size": _ITEMS}, **constants)
            loss.on_fit_start(labels)
            for value, learning in _values(loss, outputs, labels):
                _check_value(kind.__name__, value, learning)
            loss.on_epoch_end()
        except BioDeepHashingError:
            raise
        except Exception as error:
            raise UsageError(f"the loss {kind.__name__} fails with {_ITEMS} items: {type(error).__name__}: {error}") from error


def _values(loss: CrossModalLoss, outputs: Mapping[str, Tensor], labels: Tensor) -> Iterator[tuple[Any, list[Tensor]]]:
    """Yield the loss of each step of a batch, and the outputs that learn from it."""
    index = torch.arange(_ITEMS)
    if isinstance(loss, JointLoss):
        yield loss(outputs["image"], outputs["text"], labels, index), list(outputs.values())
    if isinstance(loss, AlternatingLoss):
        loss.start(loss.fused(outputs["image"]).detach(), loss.fused(outputs["text"]).detach())
        for modality in MODALITIES:
            yield loss(outputs[modality], labels, index, modality), [outputs[modality]]


def _check_value(name: str, value: Any, outputs: list[Tensor]) -> None:
    if not isinstance(value, Tensor) or value.ndim:
        given = f"a tensor {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
        raise UsageError(f"the loss {name} gives {given} and not a scalar tensor: return self.total(name=...)")
    if not value.isfinite():
        raise UsageError(f"the loss {name} gives {value.item()} for outputs of about 1: it must be finite")
    if not value.requires_grad:
        raise UsageError(f"the loss {name} has no gradient: it must depend on the codes, by operations of PyTorch")
    for gradient in torch.autograd.grad(value, outputs, allow_unused=True):
        if gradient is None or not gradient.any():
            raise UsageError(f"the loss {name} has no gradient in a tower: it must depend on the codes of each that learns")
        if not gradient.isfinite().all():
            raise UsageError(f"the loss {name} has a gradient that is not finite for outputs of about 1")
