"""Checkpoints: written atomically, read without running code from them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from ..errors import RunError
from ..interrupts import defer_interrupts
from ..runs import replacing


def write_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint atomically; Ctrl-C is deferred until it is written.

    Args:
        path: the file to write.
        content: tensors, numbers, texts and containers of them.
    """
    # an open file, not its name: PyTorch's own writer replaces the error of a full disk, and Ctrl-C, by errors of its own
    with defer_interrupts(), replacing(path) as temporary, temporary.open("wb") as file:
        torch.save(content, file)


def read_checkpoint(path: Path, device: str = "cpu") -> dict[str, Any]:
    """Read a checkpoint, refusing anything but tensors and plain data.

    Raises:
        RunError: if the file is missing, truncated or no checkpoint.
    """
    try:
        content = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError as error:
        raise RunError(f"the checkpoint {path} is missing") from error
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, ValueError) as error:
        raise RunError(
            f"the checkpoint {path} is truncated or damaged ({path.stat().st_size:,} bytes): "
            f"train the run again with -no_skip, or put an intact copy in its place"
        ) from error
    if not isinstance(content, dict):
        raise RunError(f"{path} does not hold a checkpoint")
    return content
