"""From a network to programs that run elsewhere: bytes of images in, features and packed codes out, all between them inside."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import BytesIO, StringIO
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import RunError
from ..preprocessing import Preprocessing
from ..runs import replacing

OPSET = 20
_ONE_FILE = 2**31 - 2**24  # bytes of weights that fit into an ONNX file, which is limited to 2 GiB
_NOISY = ("torch.onnx", "torch.export", "torch.fx", "onnxscript", "onnx_ir")


class HashingGraph(nn.Module):
    r"""Normalises images, and packs the signs of what the network makes of them.

    .. math:: F = f\left(\frac{x / 255 - \mu}{\sigma}\right), \qquad
        c_j = \sum_{i=0}^{7} 2^{7-i} \, [F_{8j+i} \ge 0]

    Args:
        network: maps images (B, 3, H, W) to features (B, K).
        preprocessing: has the mean and the deviation of each channel.
        head: maps features (B, K) to the probability of each class (B, C); None for none.

    Example:
        >>> graph = HashingGraph(nn.Sequential(nn.Flatten(), nn.Linear(3, 9)), Preprocessing((1, 1)))
        >>> features, codes = graph(torch.zeros(2, 3, 1, 1, dtype=torch.uint8))
        >>> features.shape, codes.shape, codes.dtype
        (torch.Size([2, 9]), torch.Size([2, 2]), torch.uint8)
    """

    mean: Tensor
    std: Tensor
    values: Tensor

    def __init__(self, network: nn.Module, preprocessing: Preprocessing, head: nn.Module | None = None) -> None:
        super().__init__()
        self.network, self.head = network, head
        self.register_buffer("mean", torch.tensor(preprocessing.mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(preprocessing.std).view(3, 1, 1))
        self.register_buffer("values", 2 ** torch.arange(7, -1, -1, dtype=torch.int32))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Map images, uint8 (B, 3, H, W), to features (B, K), codes, uint8 (B, ceil(K / 8)), and probabilities where there is a head."""
        features = self.network((images.to(torch.float32) / 255 - self.mean) / self.std)
        bits = nn.functional.pad((features >= 0).to(torch.int32), (0, -features.shape[1] % 8))
        codes = (bits.unflatten(1, (-1, 8)) * self.values).sum(2).to(torch.uint8)
        return (features, codes) if self.head is None else (features, codes, self.head(features))


def write_programs(graph: HashingGraph, size: tuple[int, int], folder: Path) -> None:
    """Write a graph as ``model.pt2``, a program of ``torch.export``, and as ``model.onnx``; each takes batches of any length.

    A network whose weights are too large for one ONNX file has them in ``model.onnx.data`` beside it.

    Args:
        graph: on the CPU; it is set to evaluation, and takes no gradients from then on.
        size: height and width of the images.
        folder: where the files go.

    Raises:
        RunError: when a network cannot be exported; with the exporter's first line.
    """
    graph.eval().requires_grad_(False)
    example = torch.zeros(2, 3, *size, dtype=torch.uint8)  # of one image, torch.export would take the length for a constant
    names = ["features", "codes", "probabilities"][: 2 if graph.head is None else 3]
    large = sum(value.nbytes for value in graph.state_dict().values()) > _ONE_FILE
    try:
        with _quiet(), torch.no_grad():
            program = torch.export.export(graph, (example,), dynamic_shapes={"images": {0: torch.export.Dim("batch")}})
            translated = torch.onnx.export(
                program, dynamo=True, opset_version=OPSET, input_names=["images"], output_names=names, verbose=False
            )  # fmt: skip
            assert translated is not None
            for value in (*translated.model.graph.inputs, *translated.model.graph.outputs):
                assert value.shape is not None
                value.shape = type(value.shape)(["batch", *value.shape[1:]])  # the exporter calls it s77
    except (RuntimeError, ValueError, TypeError, KeyError, AttributeError, AssertionError) as error:
        raise RunError(f"this network cannot be exported: {str(error).strip().partition(chr(10))[0]}") from error
    memory = BytesIO()  # on a full disk, PyTorch's own writer aborts the process
    with _quiet():
        torch.export.save(program, memory)
    with replacing(folder / "model.pt2") as temporary:
        temporary.write_bytes(memory.getbuffer())
    translated.save(folder / "model.onnx", external_data=large)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep off the console what the exporters say to their makers."""
    loggers = [logging.getLogger(name) for name in _NOISY]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings(), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
