"""What the shards of a directory have in common."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from ..runs import Run
from ..runs.shards import Manifest, ShardFolder


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
