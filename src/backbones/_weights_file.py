"""Reading checkpoints of other programs: which part holds the network, under which prefix, without which other keys."""

from __future__ import annotations

import argparse
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from ..errors import UsageError
from ._base import StateDict
from ._matconvnet import read_matconvnet

# Keys of state dicts, moving averages first: those are the weights that their authors evaluate.
_PARTS = ("state_dict_ema", "model_ema", "ema", "network", "state_dict", "model", "model_state_dict", "net", "teacher")
_IGNORED = {"n_averaged"}  # PyTorch's moving average stores this count beside the weights
_SCALAR = np.float64(0).__reduce__()[0]
# Types that training scripts often add, and that hold only data.
_DATA_ONLY: list[Any] = [
    argparse.Namespace, np.dtype, *(type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8")),
    (_SCALAR, "numpy.core.multiarray.scalar"), (_SCALAR, "numpy._core.multiarray.scalar"),
]  # fmt: skip


def read_weights(path: Path, names: Iterable[str]) -> StateDict:
    """Read the state dict of a backbone from a checkpoint: a plain one, or within what a training wrote.

    The part that holds the network is found by its usual name, or by being the only one; the prefix of its keys (``module.``,
    ``_orig_mod.``, ``backbone.``, ...) by the names that the backbone gives its own parameters. A warning names what was chosen.

    Args:
        path: a PyTorch file, safetensors, or a .mat file of MatConvNet.
        names: keys of the backbone's own state dict.

    Returns:
        The tensors under the backbone's names; a classification head, and whatever else lies beside them, is still there.

    Raises:
        UsageError: if the file is missing, damaged or no checkpoint, holds pickled objects, or several networks that would fit.
    """
    names = list(names)
    part, state = _part(path, _load(path, names))
    state = {key: value for key, value in state.items() if key not in _IGNORED}
    prefix = _prefix(path, state, set(names))
    chosen = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    notes = [f"took {part!r}"] if part else []
    notes += [f"without the prefix {prefix!r}" if notes else f"took the keys without the prefix {prefix!r}"] if prefix else []
    if rest := sorted(state.keys() - {prefix + key for key in chosen}):
        notes.append(f"left out {len(rest)} other{'s' if len(rest) > 1 else ''} ({', '.join(rest[:3])}{', ...' if len(rest) > 3 else ''})")
    if notes:
        warnings.warn(f"-weights {path}: {', '.join(notes)}", stacklevel=2)
    return chosen


def _load(path: Path, names: Iterable[str]) -> Any:
    try:
        if path.suffix == ".mat":
            return read_matconvnet(path, names)
        if path.suffix == ".safetensors":
            return load_file(path)
        with torch.serialization.safe_globals(_DATA_ONLY):
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise UsageError(f"-weights {path}: there is no such file (and it is neither none nor imagenet)") from error
    except Exception as error:  # the readers raise many types of errors for a file that is no checkpoint
        if match := re.search(r"GLOBAL ([\w.]+)", str(error)):
            raise UsageError(
                f"-weights {path} holds a pickled Python object ({match[1]}), which could run code: save model.state_dict() in its place"
            ) from error
        kind = "MatConvNet" if path.suffix == ".mat" else "PyTorch"
        raise UsageError(f"-weights {path} cannot be read as a {kind} checkpoint: it is truncated or no checkpoint") from error


def _part(path: Path, content: Any) -> tuple[str, dict[str, Tensor]]:
    """Return the state dict of a network within a checkpoint, and the key it lies under, empty for the whole."""
    if _is_state(content):
        return "", dict(content)
    parts = {key: value for key, value in content.items() if _is_state(value)} if isinstance(content, Mapping) else {}
    key = next((key for key in _PARTS if key in parts), None) or (next(iter(parts)) if len(parts) == 1 else None)
    if key is None:
        several = f": it has {', '.join(map(repr, parts))}" if parts else ""
        raise UsageError(f"-weights {path} does not hold a state dict{several}: save model.state_dict()")
    return key, dict(parts[key])


def _is_state(content: Any) -> bool:
    return (
        isinstance(content, Mapping)
        and bool(content)
        and all(isinstance(key, str) and isinstance(value, Tensor) for key, value in content.items())
    )


def _prefix(path: Path, state: StateDict, names: set[str]) -> str:
    """Return what stands before the backbone's own names in most keys."""
    counts = Counter(key[: len(key) - len(tail)] for key in state for tail in _tails(key) if tail in names)
    whole = [prefix for prefix, count in counts.items() if count == len(names)]
    if len(whole) > 1 and "" not in whole:
        raise UsageError(
            f"-weights {path} holds {len(whole)} networks that fit, under {', '.join(map(repr, sorted(whole)))}: save the one that you mean"
        )
    return min(counts, key=lambda prefix: (-counts[prefix], len(prefix)), default="")


def _tails(key: str) -> list[str]:
    """Return a key, and what is left of it after each of its dots."""
    steps = key.split(".")
    return [".".join(steps[start:]) for start in range(len(steps))]
