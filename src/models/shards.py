"""One shard of codes: a plain function whose result is files, whole or absent, the same bytes whoever makes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import IO

import numpy as np
import torch
from numpy.typing import NDArray

from .. import codes
from ..checksums import digest
from ..data import loader
from ..data.sources import Images, ReadableImages, Shard, arrow
from ..errors import DataError, RunError
from ..runs import Run, replacing
from ..runs.shards import Manifest, ShardFolder, ShardNote
from .encoder import Encoder

_SHOWN = 3  # unreadable images that an error message names


@dataclass(frozen=True)
class ShardJob:
    """What the shards of a directory have in common; it can be pickled.

    Args:
        run: a finished run, whose network encodes.
        folder: where the shards go.
        manifest: what is encoded by what.
        unreadable: largest share of the images of a shard that may be unreadable; 0: the first one is an error.
        device: where to compute: "auto", "cpu" or "cuda".
        num_workers: processes that decode images.
    """

    run: Run
    folder: ShardFolder
    manifest: Manifest
    unreadable: Fraction = Fraction()
    device: str = "auto"
    num_workers: int = 0


@dataclass(frozen=True)
class Coded:
    """Codes of the images of a shard, zeros where there is none.

    Args:
        codes: packed, uint8 (n, ceil(bits / 8)).
        present: whether an image could be read, (n,).
        zeros: features that are exactly zero.
    """

    codes: NDArray[np.uint8]
    present: NDArray[np.bool_]
    zeros: int


def encode_shard(shard: Shard, job: ShardJob) -> ShardNote:
    """Write the files of a shard and, last, its note, unless they are there and whole; return the note.

    The batches of a shard are those of prediction where it begins at a multiple of their size: its codes are the same bytes.

    Args:
        shard: the images.
        job: the run and the directory.

    Raises:
        DataError: if an image cannot be decoded, more than the allowed share of them, or the source cannot be read.
        RunError: if the run has another checkpoint by now, or features are not finite.
    """
    note = job.folder.note(shard.number) if job.folder.fault(shard.number, job.manifest) is None else None
    if note is not None:
        return note
    encoder = _encoder(job.run, job.device, job.manifest.precision, job.manifest.checkpoint_sha256)
    images = shard.read()
    if len(images) > job.manifest.rows:
        raise DataError(f"it has {len(images):,} images, and -rows {job.manifest.rows:,} allows no more: cut it, or give a greater -rows")
    readable = ReadableImages(images, encoder.transformation, refuse=not job.unreadable)
    coded = _coded(readable, encoder, job)
    note = ShardNote(
        rows=len(images),
        first=shard.first,
        sha256=_write(shard, job, images, coded),
        zeros=coded.zeros,
        refused=tuple((shard.first + row, readable.fault(row)) for row in np.flatnonzero(~coded.present).tolist()),
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


def _coded(readable: ReadableImages, encoder: Encoder, job: ShardJob) -> Coded:
    """Return the codes of the images of a shard.

    Raises:
        DataError: if too many images cannot be decoded.
    """
    count, size, zeros = len(readable.images), job.manifest.batch_size, 0
    packed, present = np.zeros((count, job.manifest.code_bytes), dtype=np.uint8), np.zeros(count, dtype=np.bool_)
    batches = loader(readable, batch_size=size, num_workers=job.num_workers, pin_memory=encoder.device.type == "cuda")
    unread = 0
    for number, (batch, _, rows) in enumerate(batches):
        start, end = number * size, min((number + 1) * size, count)
        if len(rows):
            features = encoder.features(batch)
            packed[rows.numpy()] = codes.pack(features)
            present[rows.numpy()] = True
            zeros += int((features == 0).sum())
        unread += end - start - len(rows)
        if unread > job.unreadable * count:
            first = np.flatnonzero(~present[:end])[:_SHOWN].tolist()
            named = "; ".join(f"{readable.images.where(row)} {readable.fault(row)}" for row in first)
            raise DataError(f"{unread:,} of its first {end:,} images cannot be decoded, more than -skip_unreadable "
                            f"{float(job.unreadable):g} of {count:,} allows: {named}")  # fmt: skip
    return Coded(packed, present, zeros)


def _write(shard: Shard, job: ShardJob, images: Images, coded: Coded) -> dict[str, str]:
    """Write the files of a shard, and return the checksum of each by its name."""
    folder, number = job.folder, shard.number
    labels = None if images.labels is None else np.packbits(images.labels, axis=1)
    if job.manifest.format == "parquet":
        file = folder.codes_file(number, "parquet")
        return {file.name: _saved(file, lambda stream: write_parquet(stream, shard.first, images.keys, labels, coded))}
    arrays = {folder.codes_file(number, "npy"): coded.codes} | ({} if labels is None else {folder.labels_file(number): labels})
    return {file.name: _saved(file, lambda stream, array=array: np.save(stream, array)) for file, array in arrays.items()}  # type: ignore[misc]


def _saved(file: Path, write: Callable[[IO[bytes]], None]) -> str:
    """Write a file, and return its checksum, which was taken before anybody else could replace it."""
    with replacing(file) as temporary:
        with temporary.open("wb") as stream:
            write(stream)
        return digest(temporary)


def write_parquet(stream: IO[bytes], first: int, keys: Sequence[str] | None, labels: NDArray[np.uint8] | None, coded: Coded) -> None:
    """Write ids, codes, keys and labels of the images that could be read."""
    pyarrow = arrow()

    def packed(rows: NDArray[np.uint8]) -> object:
        chosen = rows[coded.present]
        buffers = [None, pyarrow.py_buffer(chosen.tobytes())]
        return pyarrow.FixedSizeBinaryArray.from_buffers(pyarrow.binary(rows.shape[1]), len(chosen), buffers)

    columns = {"id": pyarrow.array(first + np.flatnonzero(coded.present)), "code": packed(coded.codes)}
    if keys is not None:
        columns["key"] = pyarrow.array([key for key, there in zip(keys, coded.present, strict=True) if there], pyarrow.string())
    if labels is not None:
        columns["labels"] = packed(labels)
    # ids that follow each other take no space as differences, and codes are hardly ever the same
    details = {"compression": "zstd", "use_dictionary": False, "column_encoding": {"id": "DELTA_BINARY_PACKED"}}
    pyarrow.parquet.write_table(pyarrow.table(columns), stream, **details)


def _name_of(device: torch.device) -> str:
    """Return the kind of a device and the version of PyTorch, on which the last bits of features depend."""
    kind = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU with {torch.backends.cpu.get_cpu_capability()}"
    return f"{kind}, PyTorch {torch.__version__}"
