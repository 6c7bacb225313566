"""From a finished run to its codes on disk, at the speed of the forward pass."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from .. import codes
from ..backbones import HashNetwork, build_network
from ..checksums import digest
from ..data import ImageFold, load_fold
from ..errors import RunError
from ..hparams import Settings
from ..runs import Run, read_json, replacing, write_json
from ..surroundings import has_terminal
from ..tracking import open_tracker
from ..training.checkpoints import read_checkpoint
from ..training.feeding import batches_of, check_preprocessing, images_of, recorded_settings
from ..training.fit import accelerator
from ..training.module import lay_out
from ..training.same_split import check_split


@dataclass(frozen=True)
class _Task:
    run: Run
    settings: Settings
    checkpoint: Path
    checkpoint_digest: str
    quiet: bool

    def say(self, message: str) -> None:
        if not self.quiet:
            print(message)


def write_codes(run: Run, settings: Settings, *, quiet: bool) -> None:
    """Write features, packed codes and, if asked, text codes of every wanted fold that is not up to date.

    Args:
        run: a finished run.
        settings: its settings, with the folds, the batch size and the device to use.
        quiet: print nothing.

    Raises:
        RunError: when the run is not finished or was trained on another split, its checkpoint is damaged, or its network diverged.
        DataError: when the data set is missing or damaged.
    """
    if run.status != "finished":
        state = f"its status is {run.status!r}" if run.status else "it was never trained"
        raise RunError(f"{run} has no finished training ({state}): run train.py with the same settings first")
    folds = {fold: load_fold(settings.database, fold) for fold in settings.datafolds}
    check_split(run)
    check_preprocessing(run, settings)
    checkpoint = run.best_checkpoint
    task = _Task(run, settings, checkpoint, digest(checkpoint), quiet)
    known = _read_predictions(task)
    network: HashNetwork | None = None
    started, images = time.monotonic(), 0
    for fold, data in folds.items():
        metadata_digest = digest(data.file)
        if not settings.no_skip and _is_current(task, known["folds"].get(fold), fold, metadata_digest):
            task.say(f"skipped: {fold} is up to date with {checkpoint.name} (-no_skip writes it again)")
            continue
        network = network or _load_network(task)
        features = _forward(network, images_of(data, settings), settings, f"{fold:>8}", quiet)
        known["folds"][fold] = _write_fold(task, fold, features, metadata_digest)
        write_json(run.directory / "predictions.json", known)
        images += len(features)
        zeros = known["folds"][fold]["zeros"]
        task.say(f"{fold}: {len(features):,} codes of {settings.number_of_bits} bits, {zeros:,} exact zeros (counted as +1)")
    write_json(run.hparams_file, recorded_settings(settings) | {"datafolds": list(settings.datafolds)})
    if images:
        _track(task, images, time.monotonic() - started)


def _read_predictions(task: _Task) -> dict[str, Any]:
    """Return what is known of the codes on disk, or a fresh record when they belong to another checkpoint."""
    fresh: dict[str, Any] = {
        "checkpoint": task.checkpoint.name,
        "checkpoint_sha256": task.checkpoint_digest,
        "bits": task.settings.number_of_bits,
        "folds": {},
    }
    path = task.run.directory / "predictions.json"
    if not path.exists():
        return fresh
    known = read_json(path)
    return known if known.get("checkpoint_sha256") == task.checkpoint_digest else fresh


def _is_current(task: _Task, facts: dict[str, Any] | None, fold: str, metadata_digest: str) -> bool:
    if facts is None or facts["metadata_sha256"] != metadata_digest:
        return False
    wanted = {"features_sha256": task.run.features_file(fold), "codes_sha256": task.run.codes_file(fold)}
    if task.settings.tsv and not task.run.hashes_file(fold).exists():
        return False
    return all(path.exists() and digest(path) == facts[key] for key, path in wanted.items())


def _load_network(task: _Task) -> HashNetwork:
    """Build the plain network: codes do not depend on the rule it was trained with."""
    network = build_network(task.settings.backbone, bits=task.settings.number_of_bits)
    content = read_checkpoint(task.checkpoint)
    try:
        network.load_state_dict(content["network"])
    except (KeyError, RuntimeError) as error:
        raise RunError(f"{task.checkpoint} does not hold the weights of this network: {str(error).splitlines()[0]}") from error
    return network.eval()


def _forward(network: HashNetwork, images: ImageFold, settings: Settings, name: str, quiet: bool) -> NDArray[np.float32]:
    device = torch.device("cuda" if accelerator(settings) == "gpu" else "cpu")
    half = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(settings.precision)
    network = lay_out(network.to(device), device)
    features = np.empty((len(images), settings.number_of_bits), dtype=np.float32)
    bar = tqdm(total=len(images), desc=name, unit="image", disable=quiet or not has_terminal(), leave=False)
    done = 0
    with torch.inference_mode(), torch.autocast(device.type, dtype=half, enabled=half is not None), bar:
        for batch, _, _ in batches_of(images, settings, device):
            finished = images.transformation.finish(batch.to(device, non_blocking=True))
            outputs = network(finished).float().cpu().numpy()
            features[done : done + len(outputs)] = outputs
            done += len(outputs)
            bar.update(len(outputs))
    if not np.isfinite(features).all():
        raise RunError(f"the network gives features that are no numbers for the fold {name.strip()}: its training diverged")
    return features


def _write_fold(task: _Task, fold: str, features: NDArray[np.float32], metadata_digest: str) -> dict[str, Any]:
    run = task.run
    with replacing(run.features_file(fold)) as temporary, temporary.open("wb") as file:
        np.save(file, features)
    with replacing(run.codes_file(fold)) as temporary, temporary.open("wb") as file:
        np.save(file, codes.pack(features))
    if task.settings.tsv:
        with replacing(run.hashes_file(fold)) as temporary, temporary.open("w", encoding="ascii", newline="\n") as text:
            np.savetxt(text, codes.binarise(features), fmt="%d", delimiter="\t", newline="\n")
    return {
        "rows": len(features),
        "zeros": int((features == 0).sum()),
        "metadata_sha256": metadata_digest,
        "features_sha256": digest(run.features_file(fold)),
        "codes_sha256": digest(run.codes_file(fold)),
    }


def _track(task: _Task, images: int, seconds: float) -> None:
    with open_tracker(task.run, task.settings, enabled=task.settings.tracking == "on", phase="predict") as tracker:
        tracker.log_metrics({"predicted_images": float(images), "predict_seconds": seconds})
