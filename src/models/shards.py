"""One shard of codes: a plain function whose result is files, whole or absent, the same bytes whoever makes them.

This module imports nothing heavy: who encodes unpickles the function, and Ctrl-C waits while it imports PyTorch.
"""

from __future__ import annotations

from ..data.sources import Shard
from ..interrupts import defer_interrupts
from ..runs.shards import ShardNote
from ._shard_job import ShardJob

__all__ = ["ShardJob", "encode_shard"]


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
    with defer_interrupts():
        from ._shards import make_shard

    return make_shard(shard, job)
