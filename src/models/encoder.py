"""The public way from images to codes: ``Encoder.of(run).encode(images)``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from tqdm import tqdm

from .. import codes
from ..backbones import HashNetwork, build_network
from ..data import Metadata, Transformation
from ..data.images.inputs import ImageInput, rgb_images
from ..errors import RunError, UsageError, unknown_name
from ..preprocessing import Preprocessing
from ..runs import Run, run_of
from ..runs.hparams_json import read_hparams
from ..settings import NetworkSettings
from ..surroundings import has_terminal
from ..training.checkpoints import read_checkpoint
from ..training.devices import lay_out
from ..training.feeding import batches_of, images_of, transformation_of

_HALF = {"32": None, "64": None, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}  # codes need no double precision


@dataclass(frozen=True)
class Encoded:
    """Features and codes of images.

    Args:
        features: raw outputs of the hash layer, float32 (n, bits).
        codes: their signs, packed, uint8 (n, ceil(bits / 8)); see :func:`~biodeephashing.codes.pack`.
    """

    features: NDArray[np.float32]
    codes: NDArray[np.uint8]


class Encoder:
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
        >>> from biodeephashing.preprocessing import OWN_SIZE
        >>> encoder = Encoder(build_network("lenet", bits=12), OWN_SIZE)
        >>> encoded = encoder.encode([np.zeros((32, 32, 3), np.uint8), torch.zeros(5, 3, 32, 32, dtype=torch.uint8)])
        >>> encoded.features.shape, encoded.codes.shape
        ((6, 12), (6, 2))
    """

    def __init__(
        self, network: nn.Module, preprocessing: Preprocessing, *, device: str | torch.device = "cpu", precision: str = "32"
    ) -> None:  # fmt: skip
        if precision not in _HALF:
            raise unknown_name("precision", precision, _HALF)
        try:
            self.device = torch.device(device)
            self.network = lay_out(network.to(self.device).eval(), self.device)
        except (RuntimeError, AssertionError) as error:  # what PyTorch raises if there is no such device
            raise UsageError(f"device {str(device)!r} cannot be used: {str(error).splitlines()[0]}") from error
        self.transformation = Transformation(preprocessing)
        self._half = _HALF[precision]

    @classmethod
    def of(cls, run: Run | str | Path, *, device: str | torch.device = "auto", precision: str | None = None) -> Encoder:
        """Return the encoder of a finished run: the network of its best epoch, and the preprocessing that ``hparams.json`` records.

        Args:
            run: the run, or a handle of it: a path or ``DB/EXP[/NAME]``, see :func:`~biodeephashing.runs.runs_of`.
            device: where to compute, as PyTorch names it; "auto" for a GPU where there is one.
            precision: see :class:`Encoder`; that of the training if left out.

        Raises:
            RunError: if there is no such run, it is not finished, or a file of it is damaged.
        """
        run = run if isinstance(run, Run) else run_of(run)
        check_finished(run)
        settings, record = run.settings(), read_hparams(run.hparams_file).get("preprocessing")
        if not isinstance(settings, NetworkSettings):
            raise RunError(f"{run} is of the method {run.method}, which has no network")
        preprocessing = transformation_of(settings).preprocessing if record is None else Preprocessing.of_record(record)
        name = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        network = load_network(settings, run.best_checkpoint)
        return cls(network, preprocessing, device=name, precision=precision or settings.precision)

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
        features = np.concatenate(parts)
        return Encoded(features, codes.pack(features))

    def features(self, pixels: Tensor) -> NDArray[np.float32]:
        """Return the features of a batch that needs no decoding and no geometry but what the device does.

        Args:
            pixels: uint8 (B, 3, H, W), as :class:`~biodeephashing.data.ImageFold` gives them.

        Returns:
            float32 (B, bits).

        Raises:
            RunError: if they are not finite.
        """
        device = self.device
        with torch.inference_mode(), torch.autocast(device.type, dtype=self._half, enabled=self._half is not None):
            finished = self.transformation.to_network_input(pixels.to(device, non_blocking=True))
            outputs = self.network(finished).float().cpu().numpy()
        if not np.isfinite(outputs).all():
            raise RunError("the network gives features that are not finite: its training diverged")
        return outputs

    def _stacked(self, images: list[Image.Image]) -> Iterator[NDArray[np.uint8]]:
        """Yield images as batches, in their order, a new one where the size changes."""
        alike: list[NDArray[np.uint8]] = []
        for image in self.transformation.bytes_of(images):
            if alike and alike[0].shape != image.shape:
                yield np.stack(alike)
                alike = []
            alike.append(image)
        yield np.stack(alike)


def check_finished(run: Run) -> None:
    """Refuse a run whose training is not finished.

    Raises:
        RunError: if it is not finished; the message gives its status.
    """
    if run.status != "finished":
        state = f"its status is {run.status!r}" if run.status else "it was never trained"
        raise RunError(f"{run} has no finished training ({state}): train it first, with the same settings")


def load_network(settings: NetworkSettings, checkpoint: Path) -> HashNetwork:
    """Return the plain network of a checkpoint: codes do not depend on the rule it was trained with.

    Args:
        settings: name the backbone and the number of bits.
        checkpoint: holds the weights.

    Raises:
        RunError: if the checkpoint is missing, damaged or of another network.
    """
    network = build_network(settings.backbone, bits=settings.number_of_bits)
    content = read_checkpoint(checkpoint)
    try:
        network.load_state_dict(content["network"])
    except (KeyError, RuntimeError) as error:
        raise RunError(f"{checkpoint} does not hold the weights of this network: {str(error).splitlines()[0]}") from error
    return network


def encode_fold(encoder: Encoder, fold: Metadata, settings: NetworkSettings, *, quiet: bool = False) -> Encoded:
    """Return features and codes of all images of a fold, in its order.

    Args:
        encoder: maps images to features.
        fold: its metadata.
        settings: give the batch size, the workers and the cache of decoded images.
        quiet: whether to show no progress.

    Raises:
        DataError: if an image is missing or damaged.
        RunError: if features are not finite.
    """
    images = images_of(fold, settings)
    features = np.empty((len(images), settings.number_of_bits), dtype=np.float32)
    bar = tqdm(total=len(images), desc=f"{fold.fold:>8}", unit="image", disable=quiet or not has_terminal(), leave=False)
    done = 0
    with bar:
        for batch, _, _ in batches_of(images, settings, encoder.device):
            outputs = encoder.features(batch)
            features[done : done + len(outputs)] = outputs
            done += len(outputs)
            bar.update(len(outputs))
    return Encoded(features, codes.pack(features))
