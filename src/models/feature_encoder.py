"""From ready features to codes: ``FeatureEncoder.of(run).encode(rows)``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ..data import FeatureTransformation
from ..errors import RunError, UsageError
from ..runs import Run
from .encoder import Encoded, NetworkEncoder
from .loading import device_named, finished_run, load_network, network_settings_of


class FeatureEncoder(NetworkEncoder[FeatureTransformation]):
    r"""Maps ready features, rows of numbers, to features and packed codes; the network standardises them itself.

    Args:
        network: maps rows (B, D) to features (B, bits); it is brought to the device, and set to evaluation.
        device: where to compute, as PyTorch names it.
        precision: see :class:`NetworkEncoder`.

    Example:
        >>> from biodeephashing.backbones import build_feature_network
        >>> network = build_feature_network("mlp:8", mean=torch.zeros(5), deviation=torch.ones(5), bits=12)
        >>> FeatureEncoder(network).encode(np.zeros((3, 5), np.float32)).codes.shape
        (3, 2)
    """

    def __init__(self, network: nn.Module, *, device: str | torch.device = "cpu", precision: str = "32") -> None:
        super().__init__(network, FeatureTransformation(), device=device, precision=precision)

    @classmethod
    def of(cls, run: Run | str | Path, *, device: str | torch.device = "auto", precision: str | None = None) -> FeatureEncoder:
        """Return the encoder of a finished run on ready features: the network of its best epoch.

        Args:
            run: the run, or a handle of it; see :meth:`Encoder.of`.
            device: where to compute, as PyTorch names it; "auto" for a GPU where there is one.
            precision: see :class:`NetworkEncoder`; that of the training if left out.

        Raises:
            RunError: if there is no such run, it is not finished or hashes images, or a file of it is damaged.
        """
        run = finished_run(run)
        settings = network_settings_of(run)
        if not settings.takes_features:
            raise RunError(f"{run} hashes images, not ready features: Encoder.of(run) encodes them")
        network = load_network(settings, run.best_checkpoint)
        return cls(network, device=device_named(device), precision=precision or settings.precision)

    def encode(self, values: NDArray[np.floating[Any]], *, batch_size: int = 4096) -> Encoded:
        """Return features and codes of rows.

        Args:
            values: (n, D), as those of the dataset.
            batch_size: rows of a forward pass.

        Raises:
            UsageError: for an array of another shape, or with a number that is not finite.
            RunError: if features are not finite.
        """
        width = len(self.network.get_buffer("backbone.mean"))
        if values.ndim != 2 or values.shape[1] != width or not len(values) or not np.isfinite(values).all():
            raise UsageError(f"{values.dtype} {values.shape} cannot be encoded: rows have {width:,} numbers, all of them finite")
        rows = torch.from_numpy(np.array(values, dtype=np.float32))
        return Encoded.of(np.concatenate([self.features(part) for part in rows.split(batch_size)]))
