"""Lightning's checkpoint files, written whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning.pytorch.plugins.io import TorchCheckpointIO

from .attempt import Attempt
from .checkpoints import read_checkpoint, write_checkpoint


class WholeFileCheckpointIO(TorchCheckpointIO):
    """Lightning's checkpoint files, written and read as everything else here: renamed into place, data only.

    Args:
        attempt: the attempt to train that writes them.
    """

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint whole or not at all."""
        self.attempt.check()
        write_checkpoint(Path(path), checkpoint)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Read a checkpoint; code in it is never run."""
        return read_checkpoint(Path(path))
