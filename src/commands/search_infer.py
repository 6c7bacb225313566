"""Make codes of images by an exported network, and compare them with those of its run; PyTorch is not needed."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import PIL
from numpy.typing import NDArray

from ..errors import DataError
from ..runs import replacing
from .searching.exported import Exported, Hashed, differing_bits, image_of

StoredCodes = Mapping[Path, tuple[str, NDArray[np.uint8]]]  # of image files: fold and row, and the code


def from_arguments(arguments: Namespace) -> int:
    """Do what ``infer.py`` asks for, and return the exit status: 1 where an image could not be read, or a code differs from the run's.

    Raises:
        BioDeepHashingError: when the export or the run cannot be used, or a package is missing.
    """
    exported = Exported(arguments.model)
    _ = exported.session  # loaded now, so that the first image does not wait for it
    stored = None
    if arguments.path:
        from .searching.stored_codes import stored_codes  # what reads a run needs more packages than what reads an export

        stored = stored_codes(exported, arguments.path)
    codes, faults, agree = list[NDArray[np.uint8]](), list[str](), True
    for file in arguments.images:
        try:
            hashed, words = _infer(exported, file)
            if stored is not None:
                same, comparison = _compare(stored, file, hashed)
                words, agree = f"{words}; {comparison}", agree and same
            print(words)
            codes.append(hashed.codes)
        except DataError as error:
            faults.append(str(error))
    for fault in faults:
        print(f"error: {fault}", file=sys.stderr)
    if arguments.output is not None:
        _write(arguments.output, codes, missing=len(faults), replace=arguments.no_skip)
    return 1 if faults or not agree else 0


def _infer(exported: Exported, file: Path) -> tuple[Hashed, str]:
    """Return what an image becomes, and that in words.

    Raises:
        DataError: when it cannot be read.
    """
    image = image_of(file)
    if PIL.__version__ != exported.facts["pillow"] and image.height > 2 * image.width:
        print(
            f"warning: {file} is more than twice as high as wide, and Pillow {PIL.__version__} may scale it to other pixels than Pillow "
            f"{exported.facts['pillow']}, with which the network was exported",
            file=sys.stderr,
        )
    started = time.perf_counter()
    hashed = exported.hashed(exported.pixels(image)[None])
    spent = time.perf_counter() - started
    parts = [f"{file}  code {hashed.codes.tobytes().hex()}"]
    if hashed.probabilities is not None:
        name, probability = exported.prediction(hashed.probabilities[0])
        parts.append(f"class {name} (probability {probability:.4f}, by {exported.facts['head']})")
    return hashed, "; ".join([part for part in (*parts, exported.note(image)) if part] + [f"{1000 * spent:.1f} ms"])


def _compare(stored: StoredCodes, file: Path, hashed: Hashed) -> tuple[bool, str]:
    """Tell whether the code of an image is that of the run, but for features next to 0, and that in words."""
    if (known := stored.get(file.resolve())) is None:
        return True, "the run has no code of it"
    place, code = known
    differing, clear = differing_bits(hashed.codes, code[None], hashed.features)
    return not clear, f"{differing} bits differ from {place}" if differing else f"as {place} of the run"


def _write(file: Path, codes: Sequence[NDArray[np.uint8]], *, missing: int, replace: bool) -> None:
    """Write packed codes, unless the file is there.

    Raises:
        DataError: when images are missing: the rows would not be those of the command line.
    """
    if missing:
        raise DataError(f"{file} was not written: {missing} of the images could not be read, and each is to have its row")
    if file.exists() and not replace:
        print(f"skipped: {file} is there (-no_skip replaces it)")
        return
    with replacing(file) as temporary, temporary.open("wb") as stream:
        np.save(stream, np.concatenate(codes))
    print(file)
