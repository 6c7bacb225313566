"""``codebook.npy``: the real codebook of a run, float32 (classes, bits); the signs of its entries are the codes of the classes."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...codes.codebooks import check_codebook, codebook_facts
from ...errors import BioDeepHashingError, UsageError
from ...eval.arrays.array_files import read_npy
from ...runs import Run, replacing
from ...training.checkpoints import read_checkpoint
from .settings import Settings


def read_codebook(file: str, classes: int, bits: int) -> Tensor:
    """Read the codebook that ``-load_codebook`` names.

    Args:
        file: an ``.npy`` file.
        classes: C.
        bits: K.

    Returns:
        Float32, (C, K).

    Raises:
        UsageError: when it is missing, no such array, or does not fit.
    """
    try:
        values = read_npy(Path(file))
        check_codebook(values, classes, bits)
    except OSError as error:
        raise UsageError(f"-load_codebook {file} cannot be read: {error.strerror}") from error
    except BioDeepHashingError as error:
        raise UsageError(f"-load_codebook {file}: {error}") from error
    return torch.from_numpy(values.astype(np.float32))


def warn_if_fixed(weight: Tensor, settings: Settings, images: int) -> None:
    """Warn of a codebook that stays as it is: its entries are further from 0 than so many steps of Adam can move them.

    Args:
        weight: its entries.
        settings: those of the run.
        images: of the train fold.
    """
    steps = settings.epochs * -(-images // settings.batch_size)
    reach, least = settings.hash_rate * settings.learning_rate * steps, float(weight.abs().min())
    if least > reach and settings.optimizer in ("adam", "rmsprop"):
        warnings.warn(
            f"-load_codebook {settings.load_codebook} stays as it is: its entries are at least {least:.3g} from 0, and {steps:,} steps at "
            f"the rate {settings.hash_rate * settings.learning_rate:g} move an entry by about {reach:.3g}; scale it down to learn it on",
            stacklevel=2,
        )


def keep_codebook(run: Run, copy: str, *, quiet: bool) -> None:
    """Write the codebook of a run's best epoch beside its checkpoint, and say how well it tells classes apart.

    Args:
        run: the run.
        copy: a file that gets a copy; "" for none.
        quiet: print nothing.

    Raises:
        BioDeepHashingError: when it cannot tell classes apart at all.
    """
    values = read_checkpoint(run.best_checkpoint)["loss"]["weight"].float().numpy()
    check_codebook(values, *values.shape)
    with replacing(run.codebook_file) as temporary, temporary.open("wb") as file:
        np.save(file, values)
    copy_codebook(run, copy)
    facts = codebook_facts(values)
    if not quiet:
        print(
            f"codebook: {facts.distinct} distinct codes of {len(values)} classes, distance at least {facts.least}, mean {facts.mean:.2f}; "
            f"{facts.constant_bits} bits equal in all classes, {facts.repeated_bits} pairs of bits equal or opposite"
        )
    if facts.duplicates:
        warnings.warn(f"{facts.duplicates} pairs of classes of {run} share a code: no decoding can tell them apart", stacklevel=2)


def copy_codebook(run: Run, copy: str) -> None:
    """Copy the codebook of a run to a file; "" for none."""
    if copy:
        with replacing(Path(copy)) as temporary:
            temporary.write_bytes(run.codebook_file.read_bytes())
