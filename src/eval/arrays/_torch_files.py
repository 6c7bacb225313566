"""Tensors in the files that ``torch.save`` writes; nothing in them is executed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from numpy.typing import NDArray

from ...errors import DataError


def load_tensors(file: Path) -> dict[str, NDArray[Any]]:
    """Return the tensors of a file by their names, nested ones with dots between; a tensor that is the whole file has no name.

    Args:
        file: what ``torch.save`` wrote of a tensor, or of mappings and lists of them.

    Raises:
        DataError: for a file that is damaged, or holds anything that could run code.
    """
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise DataError(
            f"{file} holds more than tensors, or is no file of torch.save, and is not read because it could run code: "
            "save a tensor, or a dictionary of tensors"
        ) from error
    except (RuntimeError, EOFError, ValueError, LookupError) as error:
        raise DataError(f"{file} is truncated or no file of torch.save: {str(error).splitlines()[0] if str(error) else 'empty'}") from error
    try:
        return dict(_arrays("", content))
    except (RuntimeError, TypeError) as error:
        raise DataError(f"{file} holds a tensor that NumPy has no type for ({error}): save it as float32 or as integers") from error


def _arrays(path: str, content: Any) -> Iterator[tuple[str, NDArray[Any]]]:
    if isinstance(content, torch.Tensor):
        values = content.detach().to_dense()
        yield path, (values.float() if values.dtype == torch.bfloat16 else values).numpy()
        return
    items = content.items() if isinstance(content, Mapping) else enumerate(content) if isinstance(content, list | tuple) else ()
    for name, part in items:
        yield from _arrays(f"{path}.{name}" if path else str(name), part)
