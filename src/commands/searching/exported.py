"""An exported network, from image files to codes, by NumPy, Pillow and onnxruntime alone: nothing here imports PyTorch."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...checksums import digest
from ...data.images.decoding import UnreadableError, decode
from ...data.images.geometry import Geometry
from ...errors import BioDeepHashingError, DataError, RunError
from ...preprocessing import Preprocessing

FORMAT = 1
FACTS = "preprocessing.json"
NETWORK = "model.onnx"
MOST_PIXELS = 64_000_000  # of an image
THIN = 1e-5  # a feature below this share of the largest one may get either sign
# What runs an exported network, for an environment in which this package is not installed: this module and all that it imports.
SOURCES = (
    "__init__.py", "checksums.py", "errors.py", "preprocessing.py", "surroundings.py",
    "commands/__init__.py", "commands/searching/__init__.py", "commands/searching/exported.py",
    "data/__init__.py", "data/images/__init__.py", "data/images/decoding.py", "data/images/geometry.py",
)  # fmt: skip


@dataclass(frozen=True)
class Hashed:
    """What images became.

    Args:
        features: raw outputs of the hash layer, float32 (n, bits).
        codes: their signs, packed, uint8 (n, ceil(bits / 8)).
        probabilities: of each class, float32 (n, C); None where the run learned nothing to tell classes by.
    """

    features: NDArray[np.float32]
    codes: NDArray[np.uint8]
    probabilities: NDArray[np.float32] | None


class Exported:
    """An exported network.

    Args:
        folder: where ``export.py`` wrote it.

    Raises:
        RunError: when it is no export, damaged, or of a newer version.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.facts = folder, read_facts(folder)
        for name, checksum in self.facts["files"].items():
            if name != "model.pt2" and (not (folder / name).is_file() or digest(folder / name) != checksum):
                raise RunError(f"{folder / name} is missing or damaged: copy the export again")
        self._geometry = Geometry.of(Preprocessing.of_record(self.facts["preprocessing"]))

    @property
    def bits(self) -> int:
        """Length of a code."""
        return int(self.facts["bits"])

    @cached_property
    def session(self) -> Any:
        """The network, as onnxruntime runs it, in as many threads as ``OMP_NUM_THREADS`` says."""
        runtime = extra("onnxruntime")
        options = runtime.SessionOptions()
        threads = os.environ.get("OMP_NUM_THREADS", "")
        options.intra_op_num_threads = int(threads) if threads.isdecimal() else 0  # 0: one for each core
        return runtime.InferenceSession(self.folder / NETWORK, options, providers=["CPUExecutionProvider"])

    def pixels(self, image: Image.Image) -> NDArray[np.uint8]:
        """Return a decoded RGB image as the network takes it, uint8 (3, H, W)."""
        return np.ascontiguousarray(np.asarray(self._geometry(image), dtype=np.uint8).transpose(2, 0, 1))

    def hashed(self, pixels: NDArray[np.uint8]) -> Hashed:
        """Return what a batch of images, uint8 (n, 3, H, W), becomes."""
        features, codes, *probabilities = self.session.run(None, {"images": pixels})
        return Hashed(features, codes, probabilities[0] if probabilities else None)

    def note(self, image: Image.Image) -> str:
        """Return in words what is done to an image that is not of the one size that the network knows; empty for any other."""
        height, width = self._geometry.size
        if not self.facts["one_size"] or image.size == (width, height):
            return ""
        return f"scaled from {image.width} x {image.height} to {width} x {height}"

    def prediction(self, probabilities: NDArray[np.float32]) -> tuple[str, float]:
        """Return the most probable class of probabilities (C,), and its probability."""
        best = int(probabilities.argmax())
        return self.facts["classes"][best], float(probabilities[best])


def differing_bits(codes: NDArray[np.uint8], expected: NDArray[np.uint8], features: NDArray[np.float32]) -> tuple[int, int]:
    """Return in how many bits packed codes differ, and how many of these belong to features that are clear of 0.

    Args:
        codes: (n, ceil(K / 8)).
        expected: of the same shape.
        features: (n, K).

    Example:
        >>> differing_bits(np.array([[0b1010_0000]], np.uint8), np.array([[0b0110_0000]], np.uint8), np.array([[2.0, 1e-7, -3.0]]))
        (2, 1)
    """
    wrong = np.unpackbits(codes ^ expected, axis=1, count=features.shape[1]).astype(bool)
    magnitudes = np.abs(features)
    return int(wrong.sum()), int((wrong & (magnitudes > THIN * magnitudes.max())).sum())


def read_facts(folder: Path) -> Mapping[str, Any]:
    """Read what is known of an export.

    Raises:
        RunError: when there is none, or it is damaged or of a newer version.
    """
    file = folder / FACTS
    try:
        facts = json.loads(file.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise RunError(f"{folder} is no export: it has no {FACTS}, which export.py writes") from error
    except ValueError as error:
        raise RunError(f"{file} is damaged ({error}): copy the export again") from error
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise RunError(f"{file} is not of format {FORMAT}, which this version reads: export the run with this version")
    return facts


def image_of(file: Path | IO[bytes], name: str = "") -> Image.Image:
    """Return an image upright and in RGB.

    Args:
        file: the file, or a stream of its bytes.
        name: what to call it in the error; its path if left out.

    Raises:
        DataError: when it is missing, damaged, too large or no image.
    """
    try:
        return decode(file, MOST_PIXELS)[0]
    except UnreadableError as error:
        raise DataError(f"the image {name or file} {error}") from error


def extra(name: str) -> Any:
    """Import a package that only exports need.

    Raises:
        BioDeepHashingError: naming the extra that brings it.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise BioDeepHashingError(
            f"{name} cannot be imported ({error}): exports need the extra `export`, `pip install 'biodeephashing[export]'`, "
            "and in a checkout `pip install -e '.[export]'`"
        ) from error
