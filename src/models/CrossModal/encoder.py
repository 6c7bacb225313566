"""The public way from images and texts to codes: ``CrossEncoder.of(run)``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ...backbones import fusion_of
from ...backbones.texts import build_text_network
from ...data import TextTransformation
from ...errors import RunError, UsageError
from ...runs import Run
from ...training.checkpoints import read_checkpoint
from ..encoder import Encoded, Encoder, NetworkEncoder
from ..feature_encoder import FeatureEncoder
from ..loading import device_named, feature_network, finished_run, load_weights
from .settings import Settings

if TYPE_CHECKING:
    from torch import nn


class TextEncoder(NetworkEncoder[TextTransformation]):
    """Maps texts to features and packed codes, with the vocabulary and the weights of words that belong to the network.

    Args:
        network: maps texts (B, d_t) to features (B, bits); it is brought to the device, and set to evaluation.
        transformation: vocabulary and weights of words.
        device: where to compute, as PyTorch names it.
        precision: see :class:`~biodeephashing.models.encoder.NetworkEncoder`.

    Example:
        >>> from biodeephashing.data import Vocabulary
        >>> encoder = TextEncoder(build_text_network("mlp:8", words=2, bits=12), TextTransformation(Vocabulary(("cat", "dog"))))
        >>> encoder.encode(["a cat", "cat and dog"]).codes.shape
        (2, 2)
    """

    def __init__(
        self, network: nn.Module, transformation: TextTransformation, *, device: str | torch.device = "cpu", precision: str = "32"
    ) -> None:  # fmt: skip
        super().__init__(network, transformation, device=device, precision=precision)

    @classmethod
    def of(cls, run: Run | str | Path, *, device: str | torch.device = "auto", precision: str | None = None) -> TextEncoder:
        """Return the encoder of texts of a finished run, see :meth:`CrossEncoder.of`; one of ready features has none."""
        run, settings, how = _opened(run, device, precision)
        encoder = encoder_of_texts(settings, run.best_checkpoint, **how)
        if not isinstance(encoder, cls):
            raise RunError(f"{run} learned from ready features of texts: it takes no words")
        return encoder

    def encode(self, texts: Sequence[str], *, batch_size: int = 64) -> Encoded:
        """Return features and codes of texts.

        Args:
            texts: words in any order; those that are not in the vocabulary do not count.
            batch_size: texts of a forward pass.

        Raises:
            UsageError: for no text at all, or one of which no word is in the vocabulary; the message names the nearest words.
            RunError: if features are not finite.
        """
        if isinstance(texts, str):
            raise UsageError("texts are a list: write [text] for a single one")
        if not texts or batch_size < 1:
            raise UsageError(
                "there is no text to encode" if not texts else f"batch_size {batch_size} is not possible: it must be at least 1"
            )
        for text in texts:
            self.transformation.vocabulary.check_known(text)
        bags = torch.from_numpy(self.transformation.bags(texts))
        return Encoded.of(np.concatenate([self.features(part) for part in bags.split(batch_size)]))


def _opened(run: Run | str | Path, device: str | torch.device, precision: str | None) -> tuple[Run, Settings, dict[str, Any]]:
    """Return a finished run of two towers, its settings, and device and precision of its encoders."""
    run = finished_run(run)
    settings = run.settings()
    if not isinstance(settings, Settings):
        raise RunError(f"{run} is of the method {run.method}, which takes no texts; those of {Settings.method} do")
    return run, settings, {"device": device_named(device), "precision": precision or settings.precision}


def encoder_of_texts(settings: Settings, checkpoint: Path, **how: Any) -> TextEncoder | FeatureEncoder:
    """Return the encoder of texts, or of the ready features in their place, that a checkpoint of a run holds.

    Args:
        settings: the run's settings.
        checkpoint: holds the text tower, and what happens to texts before it.
        how: device and precision; see :class:`~biodeephashing.models.encoder.NetworkEncoder`.

    Raises:
        RunError: if the checkpoint is missing, damaged or of another network.
    """
    content, tower = read_checkpoint(checkpoint).get("text", {}), settings.tower("text")
    if content and "texts" not in content:
        network = feature_network(tower, content)
        load_weights(network, content, checkpoint)
        return FeatureEncoder(network, **how)
    texts = TextTransformation.of_record(content.get("texts", {}))
    fusion = fusion_of(content.get("network", {}))
    network = build_text_network(tower.backbone, words=len(texts.vocabulary), bits=settings.number_of_bits, fusion=fusion)
    load_weights(network, content, checkpoint)
    return TextEncoder(network, texts, **how)


class CrossEncoder:
    """Maps images and texts to codes that can be compared with each other.

    Args:
        images: the encoder of images, or of the ready features in their place.
        texts: the encoder of texts, or of the ready features in their place.
    """

    def __init__(self, images: Encoder | FeatureEncoder, texts: TextEncoder | FeatureEncoder) -> None:
        self.images = images
        self.texts = texts

    @classmethod
    def of(cls, run: Run | str | Path, *, device: str | torch.device = "auto", precision: str | None = None) -> CrossEncoder:
        """Return the encoder of a finished run.

        Args:
            run: the run, or a handle of it: a path or ``DB/EXP[/NAME]``, see :func:`~biodeephashing.runs.runs_of`.
            device: where to compute, as PyTorch names it; "auto" for a GPU where there is one.
            precision: see :class:`~biodeephashing.models.encoder.NetworkEncoder`; that of the training if left out.

        Raises:
            RunError: if there is no such run, it is not finished or has no text tower, or a file of it is damaged.
        """
        run, settings, how = _opened(run, device, precision)
        images = FeatureEncoder.of(run, **how) if settings.takes_features else Encoder.of(run, **how)
        return cls(images, encoder_of_texts(settings, run.best_checkpoint, **how))

    def encode_images(self, images: Any, *, batch_size: int = 64) -> Encoded:
        """Return features and codes of images, see :meth:`~biodeephashing.models.encoder.Encoder.encode`, or of ready features, (n, D)."""
        return self.images.encode(images, batch_size=batch_size)

    def encode_texts(self, texts: Any, *, batch_size: int = 64) -> Encoded:
        """Return features and codes of texts, see :meth:`TextEncoder.encode`, or of ready features, (n, D)."""
        return self.texts.encode(texts, batch_size=batch_size)
