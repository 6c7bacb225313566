"""How a shard of codes is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO

import numpy as np
import torch
from numpy.typing import NDArray

from .. import codes
from ..checksums import digest
from ..data.sources import Images, Shard, write_table
from ..data.sources.readable import ShardLoader, fault
from ..errors import DataError, RunError
from ..runs import Run, replacing
from ..runs.shards import ShardNote
from ._shard_job import ShardJob
from .encoder import Encoder

_SHOWN = 3  # unreadable images that an error message names


@dataclass(frozen=True)
class _Coded:
    """Codes of the images of a shard, zeros where there is none.

    Args:
        codes: packed, uint8 (n, ceil(bits / 8)).
        present: whether an image could be read, (n,).
        zeros: features that are exactly zero.
    """

    codes: NDArray[np.uint8]
    present: NDArray[np.bool_]
    zeros: int


def make_shard(shard: Shard, job: ShardJob) -> ShardNote:
    """Make a shard, see :func:`~biodeephashing.models.shards.encode_shard`."""
    note = job.folder.note(shard.number) if job.folder.fault(shard.number, job.manifest) is None else None
    if note is not None:
        return note
    encoder = _encoder(job.run, job.device, job.manifest.precision, job.manifest.checkpoint_sha256)
    images = shard.read()
    if len(images) > job.manifest.rows:
        raise DataError(f"it has {len(images):,} images, and -rows {job.manifest.rows:,} allows no more: cut it, or give a greater -rows")
    try:
        coded = _coded(images, encoder, job)
    except BaseException:
        _loader.cache_clear()  # a process of it may be gone
        raise
    note = ShardNote(
        rows=len(images),
        first=shard.first,
        sha256=_write(shard, job, images, coded),
        zeros=coded.zeros,
        refused=tuple((shard.first + row, fault(images, row)) for row in np.flatnonzero(~coded.present).tolist()),
        device=_name_of(encoder.device),
    )
    job.folder.write_note(shard.number, note)
    return note


@lru_cache(maxsize=1)
def _encoder(run: Run, device: str, precision: str, checkpoint_sha256: str) -> Encoder:
    """Return the encoder of a run; a process loads it once.

    Raises:
        RunError: if its checkpoint is another one than the manifest names.
    """
    if digest(run.best_checkpoint) != checkpoint_sha256:
        raise RunError(f"{run} was trained again since these shards were begun: its checkpoint is another one")
    return Encoder.of(run, device=device, precision=precision)


@lru_cache(maxsize=1)
def _loader(encoder: Encoder, batch_size: int, refuse: bool, num_workers: int) -> ShardLoader:
    """Return what decodes images; a process starts those that decode once."""
    on_gpu = encoder.device.type == "cuda"
    return ShardLoader(encoder.transformation, batch_size, refuse=refuse, num_workers=num_workers, pin_memory=on_gpu)


def _coded(images: Images, encoder: Encoder, job: ShardJob) -> _Coded:
    """Return the codes of the images of a shard.

    Raises:
        DataError: if too many images cannot be decoded.
    """
    count, size, zeros = len(images), job.manifest.batch_size, 0
    packed, present = np.zeros((count, job.manifest.code_bytes), dtype=np.uint8), np.zeros(count, dtype=np.bool_)
    unread, loader = 0, _loader(encoder, size, not job.unreadable, job.num_workers)
    for number, (batch, rows) in enumerate(loader.batches(images)):
        start, end = number * size, min((number + 1) * size, count)
        if len(rows):
            features = encoder.features(batch)
            packed[rows.numpy()] = codes.pack(features)
            present[rows.numpy()] = True
            zeros += int((features == 0).sum())
        unread += end - start - len(rows)
        if unread > job.unreadable * count:
            first = np.flatnonzero(~present[:end])[:_SHOWN].tolist()
            named = "; ".join(f"{images.where(row)} {fault(images, row)}" for row in first)
            raise DataError(f"{unread:,} of its first {end:,} images cannot be decoded, more than -skip_unreadable "
                            f"{float(job.unreadable):g} of {count:,} allows: {named}")  # fmt: skip
    return _Coded(packed, present, zeros)


def _write(shard: Shard, job: ShardJob, images: Images, coded: _Coded) -> dict[str, str]:
    """Write the files of a shard, and return the checksum of each by its name."""
    folder, number = job.folder, shard.number
    labels = None if images.labels is None else np.packbits(images.labels, axis=1)
    if job.manifest.format == "parquet":
        file = folder.codes_file(number, "parquet")
        ids = shard.first + np.arange(len(images))
        return {file.name: _saved(file, lambda stream: write_table(stream, ids, coded.codes, images.keys, labels, coded.present))}
    arrays = {folder.codes_file(number, "npy"): coded.codes} | ({} if labels is None else {folder.labels_file(number): labels})
    return {file.name: _saved(file, lambda stream, array=array: np.save(stream, array)) for file, array in arrays.items()}  # type: ignore[misc]


def _saved(file: Path, write: Callable[[IO[bytes]], None]) -> str:
    """Write a file, and return its checksum, which was taken before anybody else could replace it."""
    with replacing(file) as temporary:
        with temporary.open("wb") as stream:
            write(stream)
        return digest(temporary)


def _name_of(device: torch.device) -> str:
    """Return the kind of a device and the version of PyTorch, on which the last bits of features depend."""
    kind = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU with {torch.backends.cpu.get_cpu_capability()}"
    return f"{kind}, PyTorch {torch.__version__}"
