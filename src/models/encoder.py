"""The public way from images to codes: ``Encoder.of(run).encode(images)``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from tqdm import tqdm

from .. import codes
from ..data import FeatureFold, ImageFold, Metadata, TextFold, Transformation
from ..data.images.inputs import ImageInput, rgb_images
from ..errors import RunError, UsageError, unknown_name
from ..preprocessing import Preprocessing
from ..runs import Run
from ..runs.hparams_json import read_hparams
from ..settings import NetworkSettings
from ..surroundings import has_terminal
from ..training.devices import lay_out
from ..training.feeding import batches_of, images_of, transformation_of
from .loading import device_named, finished_run, load_network, network_settings_of

_HALF = {"32": None, "64": None, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}  # codes need no double precision


@dataclass(frozen=True)
class Encoded:
    """Features and codes of images, or of texts.

    Args:
        features: raw outputs of the hash layer, float32 (n, bits).
        codes: their signs, packed, uint8 (n, ceil(bits / 8)); see :func:`~biodeephashing.codes.pack`.
        absent: rows of items that have no such image or text; features are zeros there, which say nothing.
    """

    features: NDArray[np.float32]
    codes: NDArray[np.uint8]
    absent: tuple[int, ...] = ()

    @classmethod
    def of(cls, features: NDArray[np.float32], absent: tuple[int, ...] = ()) -> Encoded:
        """Return features (n, bits) with their codes."""
        return cls(features, codes.pack(features), absent)


class Transform(Protocol):
    """What happens on the device to the bytes of a batch before a network."""

    def to_network_input(self, batch: Tensor, /) -> Tensor:
        """Return float32 (B, ...) of bytes, uint8 (B, ...)."""


Kind = TypeVar("Kind", bound=Transform)


class NetworkEncoder(Generic[Kind]):
    """Maps bytes of images, or of texts, to features.

    Args:
        network: maps what the transformation gives to features (B, bits); it is brought to the device, and set to evaluation.
        transformation: what happens to bytes before the network.
        device: where to compute, as PyTorch names it.
        precision: "32", or "bf16-mixed" or "16-mixed" to compute in half precision where PyTorch's autocast does.

    Raises:
        UsageError: for an unknown precision, or a device that does not exist.
    """

    def __init__(self, network: nn.Module, transformation: Kind, *, device: str | torch.device = "cpu", precision: str = "32") -> None:
        if precision not in _HALF:
            raise unknown_name("precision", precision, _HALF)
        try:
            self.device = torch.device(device)
            self.network = lay_out(network.to(self.device).eval(), self.device)
        except (RuntimeError, AssertionError) as error:  # what PyTorch raises if there is no such device
            raise UsageError(f"device {str(device)!r} cannot be used: {str(error).splitlines()[0]}") from error
        self.transformation = transformation
        self._half = _HALF[precision]

    def features(self, batch: Tensor) -> NDArray[np.float32]:
        """Return the features of a batch that needs nothing but what the device does.

        Args:
            batch: uint8 (B, ...), as :class:`~biodeephashing.data.ImageFold` or :class:`~biodeephashing.data.TextFold` gives it.

        Returns:
            float32 (B, bits).

        Raises:
            RunError: if they are not finite.
        """
        device = self.device
        with torch.inference_mode(), torch.autocast(device.type, dtype=self._half, enabled=self._half is not None):
            finished = self.transformation.to_network_input(batch.to(device, non_blocking=True))
            outputs: NDArray[np.float32] = self.network(finished).float().cpu().numpy()
        if not np.isfinite(outputs).all():
            raise RunError("the network gives features that are not finite: its training diverged")
        return outputs


class Encoder(NetworkEncoder[Transformation]):
    r"""Maps images to features and packed codes, with the preprocessing that belongs to the network.

    .. math:: F = f(\mathrm{preprocess}(x)), \qquad b = \operatorname{sign} F

    Args:
        network: maps images (B, 3, H, W) to features (B, bits); it is brought to the device, and set to evaluation.
        preprocessing: applied to each image before the network.
        device: where to compute, as PyTorch names it.
        precision: "32", or "bf16-mixed" or "16-mixed" to compute in half precision where PyTorch's autocast does.

    Raises:
        UsageError: for an unknown precision, or a device that does not exist.

    Example:
        >>> from biodeephashing.backbones import build_network
        >>> from biodeephashing.preprocessing import OWN_SIZE
        >>> encoder = Encoder(build_network("lenet", bits=12), OWN_SIZE)
        >>> encoded = encoder.encode([np.zeros((32, 32, 3), np.uint8), torch.zeros(5, 3, 32, 32, dtype=torch.uint8)])
        >>> encoded.features.shape, encoded.codes.shape
        ((6, 12), (6, 2))
    """

    def __init__(
        self, network: nn.Module, preprocessing: Preprocessing, *, device: str | torch.device = "cpu", precision: str = "32"
    ) -> None:  # fmt: skip
        super().__init__(network, Transformation(preprocessing), device=device, precision=precision)

    @classmethod
    def of(cls, run: Run | str | Path, *, device: str | torch.device = "auto", precision: str | None = None) -> Encoder:
        """Return the encoder of a finished run: the network of its best epoch, and the preprocessing that ``hparams.json`` records.

        Args:
            run: the run, or a handle of it: a path or ``DB/EXP[/NAME]``, see :func:`~biodeephashing.runs.runs_of`.
            device: where to compute, as PyTorch names it; "auto" for a GPU where there is one.
            precision: see :class:`Encoder`; that of the training if left out.

        Raises:
            RunError: if there is no such run, it is not finished or hashes ready features, or a file of it is damaged.
        """
        run = finished_run(run)
        settings, preprocessing = network_settings_of(run), preprocessing_of(run)
        network = load_network(settings, run.best_checkpoint)
        return cls(network, preprocessing, device=device_named(device), precision=precision or settings.precision)

    def encode(self, images: ImageInput, *, batch_size: int = 64) -> Encoded:
        """Return features and codes of images.

        Args:
            images: a path, a Pillow image, an array, a tensor or a batch, or anything that yields such; see
                :func:`~biodeephashing.data.images.inputs.rgb_images`.
            batch_size: images of a forward pass.

        Raises:
            DataError: if a file is missing or damaged; the message names it.
            UsageError: for no image at all, or one of an impossible type or shape.
            RunError: if features are not finite.
        """
        if batch_size < 1:
            raise UsageError(f"batch_size {batch_size} is not possible: it must be at least 1")
        one_by_one, parts = rgb_images(images), list[NDArray[np.float32]]()
        while batch := list(islice(one_by_one, batch_size)):
            parts += [self.features(torch.from_numpy(pixels)) for pixels in self._stacked(batch)]
        if not parts:
            raise UsageError("there is no image to encode")
        return Encoded.of(np.concatenate(parts))

    def _stacked(self, images: list[Image.Image]) -> Iterator[NDArray[np.uint8]]:
        """Yield images as batches, in their order, a new one where the size changes."""
        alike: list[NDArray[np.uint8]] = []
        for image in self.transformation.bytes_of(images):
            if alike and alike[0].shape != image.shape:
                yield np.stack(alike)
                alike = []
            alike.append(image)
        yield np.stack(alike)


def preprocessing_of(run: Run) -> Preprocessing:
    """Return what a run does to an image before its network: what ``hparams.json`` records, or of an older run what its settings say.

    Raises:
        RunError: if the run hashes ready features.
    """
    settings, record = network_settings_of(run), read_hparams(run.hparams_file).get("preprocessing")
    if settings.takes_features:
        raise RunError(f"{run} hashes ready features, not images: FeatureEncoder.of(run) encodes them")
    return transformation_of(settings).preprocessing if record is None else Preprocessing.of_record(record)


def encode_fold(encoder: NetworkEncoder[Any], fold: Metadata, settings: NetworkSettings, *, quiet: bool = False) -> Encoded:
    """Return features and codes of all images of a fold, or of the ready features in their place, in its order.

    Args:
        encoder: maps them to features.
        fold: its metadata.
        settings: give the batch size, the workers and the cache of decoded images.
        quiet: whether to show no progress.

    Raises:
        DataError: if an image is missing or damaged.
        RunError: if features are not finite.
    """
    return encode_items(encoder, images_of(fold, settings), settings, name=fold.fold, quiet=quiet)


def encode_items(
    encoder: NetworkEncoder[Any], items: ImageFold | TextFold | FeatureFold, settings: NetworkSettings, *, name: str, quiet: bool = False
) -> Encoded:
    """Return features and codes of all images, or all texts, of a fold, in its order; zeros for an item that has none.

    Args:
        encoder: maps their bytes to features.
        items: the images or the texts.
        settings: give the batch size and the workers.
        name: what they are, beside the progress.
        quiet: whether to show no progress.

    Raises:
        DataError: if an image is missing or damaged.
        RunError: if features are not finite.
    """
    features = np.zeros((len(items), settings.number_of_bits), dtype=np.float32)
    with tqdm(total=len(items), desc=f"{name:>8}", unit="item", disable=quiet or not has_terminal(), leave=False) as bar:
        for batch, _, rows in batches_of(items, settings, encoder.device):
            features[rows.numpy()] = encoder.features(batch)
            bar.update(len(rows))
    return Encoded.of(features, tuple(np.flatnonzero(~items.present).tolist()))
