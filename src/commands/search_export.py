"""Export the network of a run: programs, what happens to an image before them, and the check that they give the run's codes."""

from __future__ import annotations

import importlib.metadata
import shlex
import tempfile
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile, copytree
from typing import Any

import numpy as np
import PIL
import torch
from numpy.typing import NDArray

from .. import __version__
from ..checksums import digest
from ..codes import pack
from ..data import PreparedDataset
from ..errors import RunError, UsageError
from ..models import Classifier, classifier_of
from ..models.CrossModal import Settings as CrossModal
from ..models.encoder import Encoder
from ..models.export import HashingGraph, write_programs
from ..preprocessing import Preprocessing
from ..runs import Run, home, only_process, replacing_folder, run_of, write_json
from ..settings import NetworkSettings
from ..settings.strict_parser import command_line
from ..tracking import ModelFiles, open_tracker
from .searching.exported import FACTS, FORMAT, NETWORK, SOURCES, Exported, differing_bits, extra, image_of, read_facts
from .searching.searched_run import sized

CHECK = "check.json"
PROGRAM = "model.pt2"
BATCHES = (1, 2, 5, 64)
FARTHEST = 1e-4  # that features may be from PyTorch's, as a share of the largest one
_PACKAGES = ("numpy", "pillow", "onnxruntime", "pandas", "mlflow")  # that the MLflow model needs
_Forward = Callable[[NDArray[np.uint8]], tuple[NDArray[np.float32], NDArray[np.uint8]]]


@dataclass(frozen=True)
class _Source:
    """What is exported.

    Args:
        run: a finished run.
        encoder: its network and its preprocessing.
        classifier: what it learned to tell classes by; None for nothing.
        preprocessing: that of the encoder, with a size.
        prepared: its dataset.
        settings: its settings.
    """

    run: Run
    encoder: Encoder
    classifier: Classifier | None
    preprocessing: Preprocessing
    prepared: PreparedDataset
    settings: NetworkSettings

    @classmethod
    def of(cls, run: Run) -> _Source:
        encoder, prepared, settings = Encoder.of(run, device="cpu", precision="32"), PreparedDataset(run.database), run.settings()
        assert isinstance(settings, NetworkSettings)  # others have no encoder
        return cls(run, encoder, classifier_of(run), sized(encoder.transformation.preprocessing, prepared), prepared, settings)


def from_arguments(arguments: Namespace) -> int:
    """Do what ``export.py`` asks for, and return the exit status.

    Raises:
        BioDeepHashingError: when the run cannot be exported, an export differs from it, or a package is missing.
    """
    for package in ("onnx", "onnxscript", "onnxruntime"):
        extra(package)
    run = run_of(arguments.path)
    folder = getattr(arguments, "output", None) or run.export
    with only_process(run.directory / ".export.lock", wait=0, busy=f"another process is exporting this run: {run}"):
        if arguments.no_skip or not _is_current(run, folder):
            export(run, folder)
        else:
            print(f"skipped: {folder} belongs to {run.best_checkpoint.name} (-no_skip writes it again)")
        if arguments.mlflow:
            log_model(run, folder)
    print(f"next: {command_line('src/search/infer.py')} -m {shlex.quote(str(folder))} -img FILE")
    return 0


def export(run: Run, folder: Path) -> None:
    """Write the export of a run, whole or not at all, and check it against PyTorch.

    Args:
        run: a finished run.
        folder: where it goes; an export that is there is replaced.

    Raises:
        UsageError: when the directory holds something else.
        RunError: when the network cannot be exported, or the export differs from it.
    """
    if folder.exists() and not (folder / FACTS).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} holds something else than an export: name a directory of its own")
    source = _Source.of(run)
    with replacing_folder(folder.absolute()) as new:
        head = source.classifier.module if source.classifier else None
        assert source.preprocessing.size is not None
        write_programs(HashingGraph(source.encoder.network, source.preprocessing, head), source.preprocessing.size, new)
        write_json(new / FACTS, _facts(source, new))
        checked = _check(source, new)
        write_json(new / CHECK, checked)
    print(f"{folder}: {', '.join((NETWORK, PROGRAM, FACTS, CHECK))}")
    for name, found in checked["programs"].items():
        print(f"{name}: {found['differing_bits']} of {checked['bits']:,} bits differ from PyTorch, features by at most "
              f"{found['largest_difference']:.1g} of the largest one")  # fmt: skip
    if isinstance(source.settings, CrossModal):
        print("note: this is the network of images; that of texts is not exported")
    if (precision := source.settings.precision) not in ("32", "64"):
        print(f"note: predict.py makes codes of this run in {precision}, the export in float32: single bits may differ from those on disk")


def log_model(run: Run, folder: Path) -> None:
    """Log an export as a model to the MLflow run of its run, and say how to serve it.

    Raises:
        TrackingError: when the store cannot be reached or written.
    """
    with tempfile.TemporaryDirectory() as place, open_tracker(run, run.hparams(), phase="export") as tracker:
        exported, package = Path(place) / "export", Path(place) / "sources" / "biodeephashing"
        copytree(folder, exported, ignore=lambda _, names: {PROGRAM, CHECK} & set(names))
        for source in SOURCES:
            (package / source).parent.mkdir(parents=True, exist_ok=True)
            copyfile(Path(__file__).parents[1] / source, package / source)
        needed = [f"{name}=={importlib.metadata.version(name)}" for name in _PACKAGES]
        code = Path(__file__).with_name("searching") / "mlflow_model.py"
        model = tracker.log_model(ModelFiles(code, package.parent, exported, needed, _outputs(read_facts(folder))))
    print(f"logged: {model}\nserve it, with this environment activated: MLFLOW_DISABLE_TELEMETRY=true mlflow models serve "
          f"-m {shlex.quote(model)} --env-manager local -h 127.0.0.1 -p 5055")  # fmt: skip


def _outputs(facts: Mapping[str, Any]) -> dict[str, str]:
    """Return the columns that the MLflow model answers with, and their types."""
    return {"code": "string", "bits": "long"} | ({"class": "string", "probability": "double"} if facts["head"] else {})


def _is_current(run: Run, folder: Path) -> bool:
    try:
        facts = Exported(folder).facts
    except RunError:
        return False
    checksum = facts["files"].get(PROGRAM)
    whole = (folder / CHECK).is_file() and (folder / PROGRAM).is_file() and digest(folder / PROGRAM) == checksum
    return bool(whole and facts["checkpoint_sha256"] == digest(run.best_checkpoint))


def _facts(source: _Source, folder: Path) -> dict[str, Any]:
    """Return what whoever uses the programs must know."""
    run, split = source.run, source.prepared.split
    return {
        "format": FORMAT,
        "run": run.directory.relative_to(home()).as_posix(),
        "checkpoint": run.best_checkpoint.name,
        "checkpoint_sha256": digest(run.best_checkpoint),
        "version": __version__,
        "input": "images: uint8 (batch, 3, height, width), RGB, upright as EXIF says, scaled and cropped as below, not normalised",
        "preprocessing": source.preprocessing.record(),
        "one_size": source.encoder.transformation.preprocessing.size is None,
        "pillow": PIL.__version__,
        "bits": source.settings.number_of_bits,
        "bit_order": "eight bits a byte, the first bit highest, 1 for features >= 0; the last byte is filled up with 0",
        "classes": list(split.classes),
        "head": source.classifier.name if source.classifier else None,
        "files": {file.name: digest(file) for file in sorted(folder.iterdir())},
    }


def _check(source: _Source, folder: Path) -> dict[str, Any]:
    """Compare programs with PyTorch, on images of the query fold.

    Raises:
        RunError: when a program gives other features or codes.
    """
    exported = Exported(folder)
    extra("onnx").checker.check_model(folder / NETWORK, full_check=True)
    program = torch.export.load(folder / PROGRAM).module()

    def by_torch(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        with torch.inference_mode():
            features, codes, *_ = program(torch.from_numpy(pixels))
        return features.numpy(), codes.numpy()

    def by_onnx(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        hashed = exported.hashed(pixels)
        return hashed.features, hashed.codes

    pixels, images = _images(source, exported)
    reference = source.encoder.features(torch.from_numpy(pixels))
    programs = {name: _compare(name, forward, pixels, reference) for name, forward in ((NETWORK, by_onnx), (PROGRAM, by_torch))}
    return {
        "images": images,
        "noise": len(pixels) - images,
        "batches": list(BATCHES),
        "bits": sum(BATCHES) * source.settings.number_of_bits,
        "programs": programs,
    }


def _images(source: _Source, exported: Exported) -> tuple[NDArray[np.uint8], int]:
    """Return as many images as the longest batch has, filled up with noise, and how many of them are of the query fold."""
    query, most = source.prepared.fold("query"), max(BATCHES)
    images = [exported.pixels(image_of(query.image(row))) for row in np.flatnonzero(query.present)[:most].tolist()]
    assert source.preprocessing.size is not None
    noise = np.random.default_rng(0).integers(0, 256, (most - len(images), 3, *source.preprocessing.size), np.uint8)
    return np.concatenate([np.stack(images), noise]) if images else noise, len(images)


def _compare(name: str, forward: _Forward, pixels: NDArray[np.uint8], reference: NDArray[np.float32]) -> dict[str, Any]:
    """Return how far a program is from the features of PyTorch (n, K).

    Raises:
        RunError: when it is too far.
    """
    largest = float(np.abs(reference).max()) or 1.0
    differing, clear, farthest = 0, 0, 0.0
    for length in BATCHES:
        (features, codes), own = forward(pixels[:length]), reference[:length]
        bits, certain = differing_bits(codes, pack(own), own)
        differing, clear = differing + bits, clear + certain
        farthest = max(farthest, float(np.abs(features - own).max()) / largest)
    if clear or not farthest <= FARTHEST:
        raise RunError(
            f"{name} differs from PyTorch: {clear} bits with features that are clear of 0, and features by {farthest:.1g} of the largest "
            f"one, where {FARTHEST:g} is allowed; nothing was written"
        )
    return {"differing_bits": differing, "largest_difference": farthest}
